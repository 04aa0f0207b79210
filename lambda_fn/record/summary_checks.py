"""Checks of the summaries and days of a record or a backtest.

Pages and answers read these members without further checks, so each is checked when a record is parsed. Other members
may be present and are not read.
"""

from typing import Any

from lambda_fn.fields import (
    CONTRACT_VERSION,
    LARGE,
    MAX_GENERATION,
    MAX_HORIZON,
    PAIR,
    SHA256,
    ContractError,
    Reader,
    json_object,
)

MAX_COUNT = 10_000_000  # forecasts or days: more than any record has
KINDS = ("live", "late")
MADE_FROM = "made_from"  # member of a record: digests of its rows, and by source of the closes they were computed from
POOLED = ("live", "backtest")
INSIDE = ("inside_50", "inside_80", "inside_95")
MAX_ROWS = 1_000  # days, horizons or rows of a score table


def parse_record(data: bytes, pair: str) -> dict[str, Any]:
    """Parse the record of `pair`, `serving/record.json`. Raises ContractError naming the field and the cure."""
    read = Reader(json_object(data, "record"), "record")
    read.version("contract_version", CONTRACT_VERSION)
    read.same("pair", pair)
    for kind in KINDS:
        check_summary(read.object(kind))
    if read.members.get("backtest") is not None:
        check_summary(read.object("backtest"))
    check_days(read, "newest")
    if read.members.get(MADE_FROM):
        digests = read.object(MADE_FROM)
        for name in digests.members:
            digests.matching(name, SHA256)
    return dict(read.members)


def parse_pairs(data: bytes) -> dict[str, Any]:
    """Parse the record of all pairs, `serving/pairs.json`. Raises ContractError naming the field and the cure."""
    read = Reader(json_object(data, "pairs"), "pairs")
    read.version("contract_version", CONTRACT_VERSION)
    for row in _objects(read, "pairs"):
        row.matching("pair", PAIR)
        row.day("as_of")
        row.price("last_close")
        row.name("champion")
        for kind in POOLED:
            if row.members.get(kind) is not None:
                check_brief(row.object(kind))
    pooled = read.object("pooled")
    for kind in POOLED:
        if pooled.members.get(kind) is not None:
            check_pooled(pooled.object(kind))
    return dict(read.members)


def check_summary(read: Reader) -> None:
    """Check the summary of a record or a backtest: its days, figures by horizon, and reliability."""
    read.whole("days", 0, MAX_COUNT)
    horizons = _objects(read, "horizons")
    for name in ("from", "through"):
        read.day(name) if horizons else read.optional(name, read.day)
    for row in horizons:
        _check_horizon(row)
        row.within("pinball", 0, LARGE)
    for row in _objects(read, "reliability") if horizons else ():
        for name in ("from", "to", "share", "low", "high"):
            row.within(name, 0, 1)


def check_pooled(read: Reader) -> None:
    """Check the summary of several pairs, which has no losses and no reliability table."""
    for name in ("pairs", "days"):
        read.whole(name, 0, MAX_COUNT)
    for name in ("from", "through"):
        read.day(name)
    for row in read.objects("horizons"):
        _check_horizon(row)


def check_brief(read: Reader) -> None:
    """Check a pair's figures for the next day."""
    read.whole("days", 0, MAX_COUNT)
    _check_figures(read)


def check_days(read: Reader, name: str) -> None:
    """Check the list of single days with scored forecasts."""
    for row in _objects(read, name):
        for day in ("as_of", "target_date"):
            row.day(day)
        if row.text("kind") not in KINDS:
            raise ContractError(f"{row.where}.kind: must be {' or '.join(KINDS)}; rebuild the record")
        row.whole("generation", 1, MAX_GENERATION)
        row.name("family")
        for price in ("close", "outcome"):
            row.price(price)
        row.within("pinball", 0, LARGE)
        row.within("pit", 0, 1)
        for inside in INSIDE:
            if not isinstance(row.members.get(inside), bool | None):
                raise ContractError(f"{row.where}.{inside}: must be true, false or null; rebuild the record")
        row.optional("note", row.text)


def check_backtest(backtest: dict[str, Any] | None) -> None:
    """Check the backtest in a pointer, if any."""
    if backtest is not None:
        check_summary(Reader(backtest, "pointer.backtest"))


def _check_horizon(row: Reader) -> None:
    row.whole("horizon", 1, MAX_HORIZON)
    row.whole("n", 1, MAX_COUNT)
    _check_figures(row)


def _check_figures(read: Reader) -> None:
    """Check `coverage` and `skill`: by name a value and the bounds of its confidence interval, which may be null."""
    for name, low in (("coverage", 0.0), ("skill", -LARGE)):
        if not isinstance(read.members.get(name), dict):
            raise ContractError(f"{read.where}.{name}: must be an object; rebuild the record")
        figures = Reader(read.members[name], f"{read.where}.{name}")
        for member in figures.members:
            figure = figures.object(member)
            figure.within("value", low, 1)
            if not {"low", "high"} <= figure.members.keys():
                raise ContractError(f"{figure.where}: low or high is missing; rebuild the record")
            if figure.members["low"] is not None or figure.members["high"] is not None:
                for bound in ("low", "high"):
                    figure.within(bound, low - 1, LARGE)


def _objects(read: Reader, name: str) -> list[Reader]:
    """Return the objects of a list, which may be empty."""
    value = read.members.get(name)
    if value == []:
        return []
    rows = read.objects(name)
    if len(rows) > MAX_ROWS:
        raise ContractError(
            f"{read.where}.{name}: {len(rows)} entries, at most {MAX_ROWS} are allowed; rebuild the record"
        )
    return rows
