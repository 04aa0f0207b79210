"""The report: one self-contained HTML file with tables, sentences and plots of an evaluation."""

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from training.commands.context import SHOWN_HORIZONS
from training.evaluation.breakdown import pit
from training.evaluation.selection import summary_sentences
from training.models.economic_calendar import ECB, FOMC, PAYROLLS
from training.prices.windows import LEVELS, positions, targets
from training.runs.jobs import Job
from training.runs.pipeline import Evaluation

FANS = 60  # latest forecasts, plotted with their outcomes
EVENT_DAYS = {PAYROLLS: "a US employment report", FOMC: "an FOMC decision", ECB: "an ECB decision"}
DPI = 110
BLUE, RED, GREY = "#2a6f97", "#c1443c", "#666666"
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
) -> str:
    """Return the report as HTML.

    Args:
        job: The job that was evaluated.
        evaluation: Its evaluation.
        params: Parameters of each family's final refit.
        plots: The plots of the same evaluation, by `draw_plots`.
        protocol: The table of `runs.benchmark_protocol`.
    """
    family = _shown_family(evaluation)
    reliability, breakdown = _make_reliability(evaluation, family), _make_breakdown(evaluation, family)
    parts = [
        f"<h1>{job.pair}: forecast evaluation</h1>",
        f"<p>{html.escape(job.table.origin)}; every year from {job.first_year} on is forecast out of sample, by "
        "exported model files that were fitted on earlier data. Years that were known while the models were developed "
        "are a check, not evidence; the evidence is the track record of live forecasts.</p>",
        _render_list(summary_sentences(evaluation.scores, evaluation.selection)),
        "<h2>Scores</h2>",
        _render_scores(evaluation),
        "<h2>Skill by year</h2>",
        _render_image(plots["loss"], f"Skill of {family} against GARCH(1,1)-t by year"),
        "<h2>Calibration</h2>",
        _render_image(plots["pit"], "PIT at one day"),
        _render_image(plots["calibration"], "Reliability by level"),
        _render_table(reliability, "share of returns below each quantile, in percent"),
        _render_table(breakdown, f"{family} at one day, by volatility regime and by scheduled news"),
        f"<h2>The latest {FANS} one-day forecasts and their outcomes</h2>",
        _render_image(plots["fan"], "50, 80 and 95 % intervals and the closes of the forecast days"),
        "<h2>Economic calendar effects</h2>",
        _render_list(describe_calendar_effects(params.get("calendar", {}))),
        "<h2>Tests</h2>",
        _render_table(
            _make_tests(evaluation), "one-sided p-values of 'not better than', and p-values of the model confidence set"
        ),
    ]
    if protocol is not None:
        table = _render_table(protocol.round(3), "gain over GARCH(1,1)-t in %")
        parts += ["<h2>Protocol: eight pairs, two spans</h2>", table]
    head = f'<meta charset="utf-8"><title>{job.pair} forecast report</title><style>{STYLE}</style>'
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{body}\n</body>\n</html>\n'


def draw_plots(job: Job, evaluation: Evaluation) -> dict[str, bytes]:
    """Return the plots of the report as PNG files, by name."""
    family = _shown_family(evaluation)
    figures = {
        "loss": _plot_skill_by_year(evaluation, family),
        "pit": _plot_pit(job, evaluation, family),
        "calibration": _plot_calibration(evaluation, family),
        "fan": _plot_fans(job, evaluation, family),
    }
    return {name: _to_png(figure) for name, figure in figures.items()}


def _shown_family(evaluation: Evaluation) -> str:
    """Return the champion, or the best family when none passes the gates."""
    selection = evaluation.selection
    return selection.champion if selection.passed else selection.ranking[0]


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
    if "head_close_taken" in params:
        sentences.append(f"Closes are taken {params['head_close_taken']} of their day.")
    return sentences


def _render_scores(evaluation: Evaluation) -> str:
    scores, rows = evaluation.scores, []
    for row in scores[scores["horizon"].isin(SHOWN_HORIZONS)].to_dict("records"):
        low, high = 100 * row["skill_garch_low"], 100 * row["skill_garch_high"]
        rows.append(
            {
                "family": row["family"],
                "days": row["horizon"],
                "pinball": f"{row['pinball']:.5f}",
                "vs EWMA, %": f"{100 * row['skill_ewma']:+.2f}",
                "vs GARCH, %": f"{100 * row['skill_garch']:+.2f}",
                "90 % interval": f"{low:+.2f} to {high:+.2f}",
                "80 % covers": f"{100 * row['coverage_80']:.1f}",
                "95 % covers": f"{100 * row['coverage_95']:.1f}",
                "Theil's U": f"{row['theil_u']:.4f}",
            }
        )
    return _render_table(pd.DataFrame(rows), f"{int(scores['n'].max()):,} days; lower loss and higher skill are better")


def _make_reliability(evaluation: Evaluation, family: str) -> pd.DataFrame:
    rows = evaluation.reliability[evaluation.reliability["family"] == family]
    table = (100 * rows.pivot(index="level", columns="horizon", values="share")).round(1)
    table.index = pd.Index([f"{100 * level:g} %" for level in table.index], name="level")
    table.columns = pd.Index([f"{days} d" for days in table.columns])
    return table.reset_index()


def _make_breakdown(evaluation: Evaluation, family: str) -> pd.DataFrame:
    breakdown = evaluation.breakdown
    rows = breakdown[(breakdown["family"] == family) & (breakdown["by"] != "year")]
    return pd.DataFrame(
        {
            "days": rows["by"] + ": " + rows["part"],
            "n": rows["n"],
            "vs GARCH, %": (100 * rows["skill_garch"]).map("{:+.2f}".format),
            "80 % covers": (100 * rows["coverage_80"]).map("{:.1f}".format),
            "95 % covers": (100 * rows["coverage_95"]).map("{:.1f}".format),
            "width of 80 %": rows["width_80"].map("{:.2f}".format),
        }
    )


def _make_tests(evaluation: Evaluation) -> pd.DataFrame:
    champion = evaluation.selection.ranking[0]
    comparisons = evaluation.comparisons
    tests = comparisons[comparisons["family"] == champion].set_index("other")
    mcs = evaluation.confidence.set_index("family")
    return pd.DataFrame(
        [
            {
                f"{champion} against": other,
                "1 day": f"{tests.loc[other, 'p_1']:.2g}",
                "mean of 1 to 5": f"{tests.loc[other, 'p_mean']:.2g}",
                "in the confidence set": f"{mcs.loc[other, 'mcs']:.2g}" if other in mcs.index else "",
            }
            for other in tests.index
        ]
    )


def _plot_skill_by_year(evaluation: Evaluation, family: str) -> Figure:
    breakdown = evaluation.breakdown
    rows = breakdown[(breakdown["family"] == family) & (breakdown["by"] == "year")]
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    skill = (100 * rows["skill_garch"]).to_numpy(float)
    axes.bar(rows["part"].tolist(), skill, color=np.where(skill >= 0, BLUE, RED).tolist())
    axes.axhline(0, color="#333333", linewidth=0.8)
    axes.set_ylabel("skill vs GARCH(1,1)-t, %")
    axes.tick_params(axis="x", rotation=45)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _plot_pit(job: Job, evaluation: Evaluation, family: str) -> Figure:
    forecasts = evaluation.forecasts[family]
    actual = targets(job.prices, forecasts.origins)[:, 0]
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.hist(pit(actual, forecasts.quantiles[:, 0]), bins=np.linspace(0, 1, 21).tolist(), density=True, color=BLUE)
    axes.axhline(1, color="#333333", linewidth=0.8)
    axes.set_title("PIT, 1 day (flat: calibrated)", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _plot_calibration(evaluation: Evaluation, family: str) -> Figure:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots()
    reliability = evaluation.reliability[evaluation.reliability["family"] == family]
    for horizon, color in zip(SHOWN_HORIZONS, (BLUE, RED, GREY), strict=True):
        rows = reliability[reliability["horizon"] == horizon]
        error = rows["share"] - rows["level"]
        axes.plot(rows["level"], error, marker="o", markersize=3, color=color, label=f"{horizon} d")
    axes.axhline(0, color="#333333", linewidth=0.8)
    axes.set_title("Calibration: share of returns below a quantile, minus its level", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def _plot_fans(job: Job, evaluation: Evaluation, family: str) -> Figure:
    forecasts = evaluation.forecasts[family]
    forecasts = forecasts.at(forecasts.origins[-FANS:])
    rows = positions(job.prices, forecasts.origins)
    close = job.prices["close"].to_numpy(np.float64)
    days = pd.DatetimeIndex(job.prices.index)[rows + 1]
    quantiles = close[rows, None] * np.exp(forecasts.quantiles[:, 0])
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots()
    for low, alpha in ((0.025, 0.2), (0.1, 0.35), (0.25, 0.5)):
        bottom, top = (quantiles[:, LEVELS.index(level)] for level in (low, 1 - low))
        axes.vlines(days, bottom, top, color=BLUE, alpha=alpha, linewidth=4)
    axes.plot(days, close[rows + 1], marker="o", markersize=2.5, linewidth=0, color="#222222")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _to_png(figure: Figure) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=DPI, metadata={"Software": None})
    return data.getvalue()


def _render_image(png: bytes, alt: str) -> str:
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def _render_table(frame: pd.DataFrame, caption: str) -> str:
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in frame.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row) + "</tr>"
        for row in frame.itertuples(index=False)
    )
    return f"<table><caption>{html.escape(caption)}</caption><tr>{head}</tr>{rows}</table>"


def _render_list(sentences: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences) + "</ul>"
