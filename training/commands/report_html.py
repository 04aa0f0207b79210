"""The report: one self-contained HTML file with tables, sentences and plots of an evaluation."""

import base64
import html
import math
from collections.abc import Mapping, Sequence

import pandas as pd

from training.commands.report_plots import FANS, shown_family
from training.commands.scores import gain_sentences, html_table, score_table_html
from training.evaluation.selection import summary_sentences
from training.evaluation.touches import touch_table
from training.models.economic_calendar import CPI, ECB, FOMC, PAYROLLS, TITLES
from training.runs.jobs import Job
from training.runs.pipeline import Evaluation

EVENT_DAYS = {
    PAYROLLS: "a US employment report",
    FOMC: "an FOMC decision",
    ECB: "an ECB decision",
    CPI: "a release of US consumer prices",
}
CLOSE_TAKEN = "head_close_taken"  # a parameter that every head with effects of the calendar has
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "td,th{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #ddd}"
    "td:first-child,th:first-child{text-align:left}img{max-width:100%}caption{text-align:left;color:#555}"
)


def render_report(
    job: Job,
    evaluation: Evaluation,
    params: Mapping[str, Mapping[str, float | str]],
    plots: Mapping[str, bytes],
    protocol: pd.DataFrame | None = None,
    books: pd.DataFrame | None = None,
) -> str:
    """Return the report as HTML.

    Args:
        job: The job that was evaluated.
        evaluation: Its evaluation.
        params: Parameters of each family's final refit.
        plots: The plots of the same evaluation, by `draw_plots`.
        protocol: The table of `runs.benchmark_protocol`.
        books: The table of `runs.book_backtest`.
    """
    family = shown_family(evaluation)
    shares = evaluation.reliability[evaluation.reliability["family"] == family]
    reliability = (100 * shares.pivot(index="level", columns="horizon", values="share")).round(1)
    reliability_rows = [
        {"level": f"{100 * level:g} %", **{f"{days} d": share for days, share in row.items()}}
        for level, row in zip(reliability.index, reliability.to_dict("records"), strict=True)
    ]
    breakdown = evaluation.breakdown
    breakdown_rows = [
        {
            "days": f"{row['by']}: {TITLES.get(row['part'], row['part'])}",
            "n": row["n"],
            "vs GARCH, %": f"{100 * row['skill_garch']:+.2f}",
            "80 % covers": f"{100 * row['coverage_80']:.1f}",
            "95 % interval": f"{100 * row['coverage_80_low']:.1f} to {100 * row['coverage_80_high']:.1f}",
            "95 % covers": f"{100 * row['coverage_95']:.1f}",
            "width of 80 %": f"{row['width_80']:.2f}",
        }
        for row in breakdown[(breakdown["family"] == family) & (breakdown["by"] != "year")].to_dict("records")
    ]
    with_effects = [params[name] for name in (family, "calendar") if CLOSE_TAKEN in params.get(name, {})]
    effects = with_effects[0] if with_effects else {}
    first, comparisons = evaluation.selection.ranking[0], evaluation.comparisons
    confidence = evaluation.confidence.set_index("family")["mcs"]
    test_rows = [
        {
            f"{first} against": row["other"],
            "1 day": f"{row['p_1']:.2g}",
            "mean of 1 to 5": f"{row['p_mean']:.2g}",
            "in the confidence set": f"{confidence[row['other']]:.2g}" if row["other"] in confidence.index else "",
        }
        for row in comparisons[comparisons["family"] == first].to_dict("records")
    ]
    scores, selection = evaluation.scores, evaluation.selection
    sentences = [*summary_sentences(scores, selection), *gain_sentences(scores, selection)]
    looks = [evaluation.look.describe()] if evaluation.look else []
    parts = [
        f"<h1>{job.pair}: forecast evaluation</h1>",
        f"<p>{html.escape(job.table.origin)}; every year from {job.first_year} on is forecast out of sample, by "
        "exported model files that were fitted on earlier data. Years that were known while the models were developed "
        "are a check, not evidence; the evidence is the track record of live forecasts.</p>",
        _render_list([*sentences, *looks]),
        "<h2>Scores</h2>",
        score_table_html(scores),
        "<h2>Skill by year</h2>",
        _render_image(plots["loss"], f"Skill of {family} against GARCH(1,1)-t by year"),
        "<h2>Calibration</h2>",
        _render_image(plots["pit"], "PIT at one day"),
        _render_image(plots["calibration"], "Reliability by level"),
        html_table(reliability_rows, "share of returns below each quantile, in percent"),
        html_table(breakdown_rows, f"{family} at one day, by volatility regime and by kind of scheduled news"),
        f"<h2>The latest {FANS} one-day forecasts and their outcomes</h2>",
        _render_image(plots["fan"], "50, 80 and 95 % intervals and the closes of the forecast days"),
        "<h2>Economic calendar effects</h2>",
        _render_list(describe_calendar_effects(effects)),
        "<h2>Tests</h2>",
        html_table(test_rows, "one-sided p-values of 'not better than', and p-values of the model confidence set"),
        "<h2>Touch probability</h2>",
        touch_table_html(touch_table(evaluation.forecasts[family], job.prices), family),
    ]
    if protocol is not None:
        table = html_table(protocol.round(3).to_dict("records"), "gain over GARCH(1,1)-t in %")
        parts += ["<h2>Protocol: eight pairs, two spans</h2>", table]
    if books is not None:
        parts += ["<h2>Books of currencies</h2>", book_table_html(books)]
    head = f'<meta charset="utf-8"><title>{job.pair} forecast report</title><style>{STYLE}</style>'
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{body}\n</body>\n</html>\n'


def book_table_html(books: pd.DataFrame) -> str:
    """Return the coverage, shortfall and gain of the random books, by horizon and confidence."""
    rows = [
        {
            "business days": row["horizon"],
            "confidence": f"{100 * row['confidence']:g} %",
            "days": row["days"],
            "covered, %": f"{100 * row['covered']:.2f}",
            "realised over forecast shortfall": f"{row['shortfall']:.3f}",
            **{
                f"loss against {name}, %": f"{-100 * row[f'vs {key}']:+.1f} (t {row[f't {key}']:+.1f})"
                for key, name in {"normal": "normal, 250 days", "history": "historical simulation, 500 days"}.items()
            },
        }
        for row in books.to_dict("records")
    ]
    return html_table(rows, "300 random books: a lower loss is better, and so is a negative t of the test by day")


def touch_table_html(touches: pd.DataFrame, family: str) -> str:
    """Return the shares of prices that daily closes touched, predicted and realised, by horizon and distance."""
    rows = []
    for (horizon, distance), sides in touches.groupby(["horizon", "distance"]):
        shares = {row["side"]: row for row in sides.to_dict("records")}
        cells = {
            f"{name} {side}": f"{100 * shares[side][name]:.1f}"
            for name in ("predicted", "realised")
            for side in ("below", "above")
        }
        rows.append({"business days": horizon, "distance": f"{distance:g} sd", "n": shares["below"]["n"], **cells})
    return html_table(rows, f"{family}: prices touched by at least one daily close, in percent")


def describe_calendar_effects(params: Mapping[str, float | str]) -> list[str]:
    """Describe how scheduled news changes the width of a day's interval, with plus and minus two standard errors."""
    sentences = []
    for kind, day in EVENT_DAYS.items():
        if f"head_effect_{kind}" not in params:
            continue
        effect, error = (float(params[f"head_effect_{kind}{suffix}"]) for suffix in ("", "_error"))
        wider, low, high = (100 * math.expm1(value) for value in (effect, effect - 2 * error, effect + 2 * error))
        side = "wider" if wider >= 0 else "narrower"
        sentences.append(f"A day with {day} is {abs(wider):.0f} % {side} ({low:+.0f} to {high:+.0f} %).")
    if CLOSE_TAKEN in params:
        sentences.append(f"Closes are taken {params[CLOSE_TAKEN]} of their day.")
    return sentences


def _render_image(png: bytes, alt: str) -> str:
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def _render_list(sentences: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences) + "</ul>"
