"""Work on several pairs, one after the other: a failed pair does not stop the others, and a table shows all results."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from lambda_fn.fields import ContractError
from lambda_fn.store.object_store import Missing, Unavailable
from training.commands.context import SHOWN_HORIZONS, Context, UsageError, print_json
from training.errors import NamedError

if TYPE_CHECKING:
    from rich.table import Table

    from training.commands.finish_run import RunResult

T = TypeVar("T")


def select_pairs(args: argparse.Namespace, context: Context) -> tuple[str, ...]:
    """Return the pairs of --pairs, by default those of PAIRS. Raises UsageError for one file and several pairs."""
    pairs: tuple[str, ...] = args.pairs or context.settings.pairs
    if args.csv is not None and len(pairs) > 1:
        raise UsageError(
            f"--csv: a file holds the prices of one pair, but {len(pairs)} pairs are selected; say which pair it is, "
            f"such as --pairs {pairs[0]}"
        )
    return pairs


def try_pair(pair: str, context: Context, work: Callable[[Context], T]) -> T | str:
    """Return the result of `work` on a pair, or the error message if it fails, which is also printed at once."""
    try:
        return work(context.for_pair(pair))
    except Exception as error:  # noqa: BLE001 - no error of one pair may stop the other pairs
        has_message = isinstance(error, (NamedError, ContractError, Missing, Unavailable))
        message = str(error) if has_message else f"{type(error).__name__}: {error}"
        context.note([f"error: {pair}: {message}"])
        return message


def run_pairs(pairs: Sequence[str], context: Context, work: Callable[[Context], "RunResult"], *, as_json: bool) -> int:
    """Run `work` on every pair and print all results.

    Args:
        pairs: The pairs, in their order.
        context: Opened once, and shared by all pairs.
        work: Trains and publishes the pair of the context that it gets.
        as_json: Print JSON by pair instead of a table.

    Returns:
        1 when a pair failed or its champion was rejected, otherwise 0.
    """
    _ = context.store, context.patient_store, context.ecb_rates  # open them once for all pairs
    results = {pair: try_pair(pair, context, work) for pair in pairs}
    if as_json:
        print_json({pair: _result_as_json(result) for pair, result in results.items()})
    else:
        context.out.print(_make_table(results), highlight=False)
    failed = [pair for pair, result in results.items() if isinstance(result, str) or result.code]
    return report_failed(failed, len(results), context)


def report_failed(failed: Sequence[str], pairs: int, context: Context) -> int:
    """Print the names of failed pairs; return the exit code, 1 when there are any."""
    if failed:
        context.note([f"error: {len(failed)} of {pairs} pairs failed: {', '.join(failed)}"])
    return 1 if failed else 0


def _result_as_json(result: "RunResult | str") -> dict[str, Any]:
    from training.commands.score_table import scores_as_json

    if isinstance(result, str):
        return {"error": result}
    evaluation, published = result.evaluation, result.published
    pointer, activation = published.pointer, published.activation
    return {
        **scores_as_json(evaluation.scores, evaluation.selection, evaluation.spread),
        "generation": published.generation,
        "model": f"{pointer.model_name}/{pointer.model_version}",
        "already": published.already,
        "activation": activation._asdict() if activation else None,
    }


def _make_table(results: Mapping[str, "RunResult | str"]) -> "Table":
    from rich.table import Table

    table = Table(title="Champions", caption="skill against GARCH(1,1)-t", show_edge=False, pad_edge=False)
    table.add_column("pair", no_wrap=True)
    table.add_column("champion", overflow="fold")
    for name in ("generation", "1 day", "5 days", "21 days"):
        table.add_column(name, justify="right", no_wrap=True)
    for pair, result in results.items():
        table.add_row(pair, *_make_cells(result))
    return table


def _make_cells(result: "RunResult | str") -> list[str]:
    if isinstance(result, str):
        return ["failed", "", *("" for _ in SHOWN_HORIZONS)]
    generation = str(result.published.generation)
    if result.code:
        return ["refused", generation, *("" for _ in SHOWN_HORIZONS)]
    champion, scores = result.evaluation.selection.champion, result.evaluation.scores
    skill = {row["horizon"]: row["skill_garch"] for row in scores[scores["family"] == champion].to_dict("records")}
    return [champion, generation, *(f"{100 * skill[days]:+.2f} %" for days in SHOWN_HORIZONS)]
