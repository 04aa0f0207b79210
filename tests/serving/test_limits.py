"""The page of limits and the code agree, so a limit that is lifted by mistake is noticed."""

import re
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest

import lambda_fn
from tests.support.project import ROOT
from tests.support.removals import removals

ROW = re.compile(r"^\| .+ \| ([\d,.]+) \| `([\w.]+)` \|$", re.MULTILINE)
ROWS = {name: float(value.replace(",", "")) for value, name in ROW.findall((ROOT / "docs/limits.md").read_text())}
# Constants of these names are limits; others may be.
LIMIT = re.compile(r"MAX_\w+|\w+_S|ATTEMPTS")
# Neither seconds nor a limit of what comes from outside.
OTHERS = {"champion.trial.MAX_DECIMALS", "champion.runtime.CHECK_INTERVAL_S", "store.cache.FIRST_BACK_OFFS_S"}


@pytest.mark.parametrize("name", ROWS)
def test_a_limit_is_as_documented(name: str) -> None:
    value: Any = lambda_fn
    for part in name.split("."):
        if hasattr(value, "__path__"):  # a package, whose modules are imported one by one
            import_module(f"{value.__name__}.{part}")
        value = getattr(value, part)
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    assert seconds == ROWS[name]


def test_every_limit_is_documented() -> None:
    names = {
        f"{removal.file.removeprefix('lambda_fn/').removesuffix('.py').replace('/', '.')}.{constant}"
        for removal in removals(ROOT)
        if removal.kind == "limit" and LIMIT.fullmatch(constant := removal.text.partition(" = ")[0])
    }
    assert len(names) > 50
    assert names - OTHERS <= ROWS.keys()
