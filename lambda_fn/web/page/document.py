"""The page: from the state in words at the top down to how a program has the same."""

from collections.abc import Mapping, Sequence
from typing import Any

from lambda_fn.fields import utc_text
from lambda_fn.web.page import champion, choose, days, facts, fan, hero, questions, record, shell, state, use
from lambda_fn.web.page.facts import Facts
from lambda_fn.web.page.figures import price_digits
from lambda_fn.web.page.markup import Markup, element
from lambda_fn.web.records import Records
from lambda_fn.web.response import Text

SECTIONS = (("forecast", "Forecast"), ("questions", "Ask"), ("record", "Record"), ("champion", "Model"), ("use", "Use"))


def page(records: Records, query: Mapping[str, str], pairs: Sequence[str]) -> Text:
    """The page of the official forecast and its record, with a choice of the `pairs` that are served; raises
    NothingToServe when there is no forecast."""
    found = facts.read(records, query, pairs)
    parts = [
        state.banner(found),
        hero.section(found),
        fan.section(found),
        questions.section(found),
        days.section(found),
        record.section(found),
        champion.section(found),
        use.section(found),
    ]
    body = [_header(found), element("main", parts), _footer(found)]
    return shell.text_of(f"{found.pair} forecast", body, _data(found))


def _header(found: Facts) -> Markup:
    choice = choose.form(found.pairs, found.official.pair) if len(found.pairs) > 1 else None
    return shell.header(found.pair, SECTIONS, found.address("/"), choice)


def _footer(found: Facts) -> Markup:
    official = found.official
    source = "Source of the prices: European Central Bank. " if official.source == "ecb" else ""
    made = f"Made at {utc_text(official.made_at)[:16].replace('T', ' ')} UTC from prices through {official.as_of}. "
    return element("footer", element("p", source, made, "A forecast of what is likely, not advice on what to do."))


def _data(found: Facts) -> dict[str, Any]:
    """What the script needs to answer as the API does."""
    official = found.official
    return {
        "levels": official.levels,
        "quantiles": official.quantiles,
        "days": [day.isoformat() for day in official.days],
        "last": official.last_close,
        "digits": price_digits(official.last_close),
        "base": found.base,
        "quote": found.quote,
    }
