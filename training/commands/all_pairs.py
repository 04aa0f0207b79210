"""Several pairs, one after the other: one that fails stops no other, and all are in the table at the end."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from lambda_fn.fields import ContractError
from lambda_fn.store.object_store import Missing, Unavailable
from training.commands.context import Context, UsageError, print_json
from training.errors import NamedError

if TYPE_CHECKING:
    from rich.table import Table

    from training.commands.finish_run import Ended

T = TypeVar("T")


def asked_pairs(asked: argparse.Namespace, context: Context) -> tuple[str, ...]:
    """The pairs that --pairs names, otherwise those of PAIRS; raises UsageError where a file is given for several."""
    named: tuple[str, ...] = asked.pairs or context.settings.pairs
    if asked.csv is not None and len(named) > 1:
        raise UsageError(
            f"--csv: a file has the prices of one pair, and {len(named)} are asked for; say which it is, such as "
            f"--pairs {named[0]}"
        )
    return named


def attempt(pair: str, context: Context, work: Callable[[Context], T]) -> T | str:
    """What became of the work on a pair, or in words why it failed, which is said at once: the others go on."""
    try:
        return work(context.of(pair))
    except Exception as error:  # noqa: BLE001 - whatever it is, the other pairs are none the worse for it
        named = isinstance(error, (NamedError, ContractError, Missing, Unavailable))
        words = str(error) if named else f"{type(error).__name__}: {error}"
        context.note([f"error: {pair}: {words}"])
        return words


def each(pairs: Sequence[str], context: Context, work: Callable[[Context], "Ended"], *, as_json: bool) -> int:
    """Work on every pair and show what came of all; 1 when a pair failed or its champion was refused."""
    _ = context.store, context.patient_store, context.bank  # opened once for all
    return show({pair: attempt(pair, context, work) for pair in pairs}, context, as_json=as_json)


def show(outcomes: Mapping[str, "Ended | str"], context: Context, *, as_json: bool) -> int:
    """All pairs as a table or, by pair, as JSON; 1 when one failed or its champion was refused, with their names."""
    if as_json:
        print_json({pair: _facts(outcome) for pair, outcome in outcomes.items()})
    else:
        context.out.print(_table(outcomes), highlight=False)
    return code_of(
        [pair for pair, outcome in outcomes.items() if isinstance(outcome, str) or outcome.code], len(outcomes), context
    )


def code_of(failed: Sequence[str], pairs: int, context: Context) -> int:
    """1 where pairs failed, which are named."""
    if failed:
        context.note([f"error: {len(failed)} of {pairs} pairs failed: {', '.join(failed)}"])
    return 1 if failed else 0


def _facts(outcome: "Ended | str") -> dict[str, Any]:
    from training.commands.score_table import scores_facts

    if isinstance(outcome, str):
        return {"error": outcome}
    found, published = outcome.found, outcome.published
    pointer, activation = published.pointer, published.activation
    return {
        **scores_facts(found.scores, found.selection, found.spread),
        "generation": published.generation,
        "model": f"{pointer.model_name}/{pointer.model_version}",
        "already": published.already,
        "activation": activation._asdict() if activation else None,
    }


def _table(outcomes: Mapping[str, "Ended | str"]) -> "Table":
    from rich.table import Table

    table = Table(title="Champions", caption="skill against GARCH(1,1)-t", show_edge=False, pad_edge=False)
    table.add_column("pair", no_wrap=True)
    table.add_column("champion", overflow="fold")
    for name in ("generation", "1 day", "5 days", "21 days"):
        table.add_column(name, justify="right", no_wrap=True)
    for pair, outcome in outcomes.items():
        table.add_row(pair, *_cells(outcome))
    return table


def _cells(outcome: "Ended | str") -> list[str]:
    from training.commands.context import SHOWN_HORIZONS

    if isinstance(outcome, str):
        return ["failed", "", *("" for _ in SHOWN_HORIZONS)]
    if outcome.code:
        return ["refused", str(outcome.published.generation), *("" for _ in SHOWN_HORIZONS)]
    champion, scores = outcome.found.selection.champion, outcome.found.scores
    own = {row["horizon"]: row["skill_garch"] for row in scores[scores["family"] == champion].to_dict("records")}
    return [champion, str(outcome.published.generation), *(f"{100 * own[days]:+.2f} %" for days in SHOWN_HORIZONS)]
