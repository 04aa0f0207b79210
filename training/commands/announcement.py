"""What a command says that has published something."""

from typing import TYPE_CHECKING

from training.commands.context import Context, print_json

if TYPE_CHECKING:
    from training.publishing.promotion import Published


def announce(published: "Published", context: Context, *, as_json: bool = False, quiet: bool = False) -> int:
    """Say what became of it; 1 when it was refused."""
    pointer, activation = published.pointer, published.activation
    model = f"{pointer.model_name}/{pointer.model_version}"
    context.note(published.notes)
    if as_json:
        print_json(
            {
                "generation": published.generation,
                "model": model,
                "sha256": pointer.champion.sha256 if pointer.champion else None,
                "superseded_by": published.superseded_by,
                "already": published.already,
                "activation": activation._asdict() if activation else None,
            }
        )
    elif published.already:
        context.note(
            [f"{model} is generation {published.generation} already, with this file and these scores: no new one"]
        )
    elif not quiet:
        outcome = f"{activation.outcome}: {activation.reason}" if activation else "the refresh function activates it"
        context.out.print(f"published {model} as generation {published.generation}; {outcome}", highlight=False)
    return 1 if activation and activation.outcome == "refused" else 0
