"""A champion's inputs as they are, tensors by name, for protocols that know models and not prices."""

from collections.abc import Mapping, Sequence

from lambda_fn.champion.base import BaseChampion, Died, ForecastError, Rows, TooSlow
from lambda_fn.champion.sandbox import Forecast
from lambda_fn.champion.sandboxed import SandboxedChampion
from lambda_fn.contract import DATE, FIRST_DAY, LAST_DAY, TARGET_DATE
from lambda_fn.store.objects import Unavailable
from lambda_fn.web.closes import parse_prices
from lambda_fn.web.problem import MAX_ANSWER_BYTES, MAX_SERIES, Problem, bad_body, shown, shown_name

NUMBER_BYTES = 24  # of a number in an answer, at most


def lengths(champion: BaseChampion) -> dict[str, int]:
    """The inputs that the champion wants, and how long a row of each is."""
    window, horizon = champion.metadata.window, champion.metadata.horizon
    dates = {DATE: window} if champion.wants_date else {}
    targets = {TARGET_DATE: horizon} if champion.wants_target_date else {}
    return {**dict.fromkeys(champion.columns, window), **dates, **targets}


def parse_tensors(found: Mapping[str, object], champion: BaseChampion, prefix: str = "") -> Rows:
    """Each input [batch][length], prices and whole days since 1970-01-01, from lists of rows.

    Raises Problem: 400 naming the place, such as `inputs.close[2][17]`.
    """
    wanted = lengths(champion)
    for name in found:
        check_name(name, wanted, prefix)
    tensors = {name: _tensor(f"{prefix}{name}", found.get(name), name, length) for name, length in wanted.items()}
    batch = len(tensors["close"])
    check_rows(batch, champion, f"{prefix}close")
    for name, rows in tensors.items():
        if len(rows) != batch:
            place = f"{prefix}{name}"
            raise bad_body(place, f"{place} has {len(rows)} rows, close has {batch}", "send one row of each a window")
    return tensors


def run(champion: SandboxedChampion, tensors: Rows, place: str, several: str = "rows") -> Forecast:
    """quantiles [batch][horizon][levels] and mean [batch][horizon], prices; raises Problem. `several` is what a caller
    sends of windows: fewer of them are the cure for what takes too long."""
    try:
        return champion.plausible_forecast(tensors)
    except (Died, TooSlow, Unavailable) as error:
        raise unanswered(error, several) from error
    except ForecastError as error:
        raise bad_body(place, str(error), "check the prices") from error


def unanswered(error: Died | TooSlow | Unavailable, several: str) -> Problem:
    """Return the 503 of a champion that was stopped, that ended the process that ran it, or that no process can run."""
    if isinstance(error, TooSlow):
        return Problem(503, "too_slow", str(error), f"send fewer {several} at once", headers={"Retry-After": "1"})
    if isinstance(error, Unavailable):
        return Problem(503, "busy", "no process can run the champion now", "try again", headers={"Retry-After": "5"})
    cure = "ask GET /api/predict for the official forecast; the operator publishes another champion"
    return Problem(503, "champion_failed", str(error), cure, headers={"Retry-After": "60"})


def _tensor(place: str, rows: object, name: str, length: int) -> Sequence[Sequence[float]]:
    if rows is None:
        raise bad_body(place, f"{place} is missing: the champion uses it", f"send rows of {length} values")
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_SERIES:
        raise bad_body(place, f"{place} is {shown(rows)}", f"send a list of 1 to {MAX_SERIES} rows")
    read = _days if name in (DATE, TARGET_DATE) else parse_prices
    found: list[Sequence[float]] = [read(f"{place}[{i}]", row) for i, row in enumerate(rows)]
    for i, row in enumerate(found):
        if len(row) != length:
            words = f"{place}[{i}] has {len(row)} values, the champion takes {length}"
            raise bad_body(f"{place}[{i}]", words, f"send exactly {length}, oldest first")
    return found


def _days(place: str, values: object) -> list[int]:
    if not isinstance(values, list):
        raise bad_body(place, f"{place} is {shown(values)}", "send a list of days since 1970-01-01")
    for i, value in enumerate(values):
        if type(value) is not int or not FIRST_DAY <= value <= LAST_DAY:
            words = f"{place}[{i}] is {shown(value)}, no day"
            raise bad_body(f"{place}[{i}]", words, "send days since 1970-01-01 as whole numbers")
    return values


def columns_of(rows: Sequence[Mapping[str, object]], champion: BaseChampion, prefix: str) -> dict[str, object]:
    """Turn rows of named values into a list for each input; a name that a row lacks is None there.

    Raises Problem: 400 for too many rows, and for a name that is no input, before anything is built of them.
    """
    check_rows(len(rows), champion, prefix.rstrip("."))
    names = lengths(champion)
    for row in rows:
        for name in row:
            check_name(name, names, prefix)
    return {name: [row.get(name) for row in rows] for name in names if any(name in row for row in rows)}


def check_name(name: str, names: Mapping[str, int], prefix: str) -> None:
    """Raise Problem (400) for a name that is no input of the champion."""
    if name not in names:
        place = f"{prefix}{shown_name(name)}"
        raise bad_body(place, f"{place} is no input of the champion", f"send {', '.join(names)}")


def check_rows(rows: int, champion: BaseChampion, place: str) -> None:
    """Raise Problem (400) for more windows than a request may have, or than an answer has room for."""
    numbers = champion.metadata.horizon * (len(champion.metadata.levels) + 1)
    most = min(MAX_SERIES, max(MAX_ANSWER_BYTES // (NUMBER_BYTES * numbers), 1))
    if not 1 <= rows <= most:
        raise bad_body(place, f"{place} has {rows} rows", f"send 1 to {most} rows")
