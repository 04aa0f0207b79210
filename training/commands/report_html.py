"""The report: one HTML file with tables, sentences and plots of an evaluation, nothing fetched from anywhere."""

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

FANS = 60  # newest forecasts that are drawn against what came
DAYS_OF = {PAYROLLS: "a US employment report", FOMC: "an FOMC decision", ECB: "an ECB decision"}
DPI = 110
BLUE, RED, GREY = "#2a6f97", "#c1443c", "#666666"
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "td,th{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #ddd}"
    "td:first-child,th:first-child{text-align:left}img{max-width:100%}caption{text-align:left;color:#555}"
)


def page(
    job: Job,
    found: Evaluation,
    params: Mapping[str, Mapping[str, float | str]],
    drawn: Mapping[str, bytes],
    protocol: pd.DataFrame | None = None,
) -> str:
    """The whole report.

    Args:
        job: The job that was evaluated.
        found: Its evaluation.
        params: Parameters of each family's final refit.
        drawn: The pictures of the same evaluation.
        protocol: The table of `runs.protocol`.
    """
    family = _family(found)
    parts = [
        f"<h1>{job.pair}: what the forecast is worth</h1>",
        f"<p>{html.escape(job.table.origin)}; every year from {job.first_year} on is forecast by exported files that "
        "knew nothing of it. Years that were looked at while the families were made are a check, not evidence; the "
        "evidence is the record of live forecasts.</p>",
        _list(summary_sentences(found.scores, found.selection)),
        "<h2>Scores</h2>",
        _scores(found),
        "<h2>Skill by year</h2>",
        _image(drawn["loss"], f"Skill of {family} against GARCH(1,1)-t by year"),
        "<h2>Is it calibrated?</h2>",
        _image(drawn["pit"], "PIT at one day"),
        _image(drawn["calibration"], "Reliability by level"),
        _table(_reliability(found.reliability, family), "share of returns below each quantile, in percent"),
        _table(_breakdown(found.breakdown, family), f"{family} at one day, by regime and on days with scheduled news"),
        f"<h2>The last {FANS} forecasts of one day, and what came</h2>",
        _image(drawn["fan"], "Intervals of 50, 80 and 95 % and the closes that came"),
        "<h2>What the calendar does</h2>",
        _list(effects(params.get("calendar", {}))),
        "<h2>Tests</h2>",
        _table(_tests(found), "p-values of 'not better than', one-sided, and of the model confidence set"),
    ]
    if protocol is not None:
        parts += ["<h2>Protocol: eight pairs, two spans</h2>", _table(protocol.round(3), "gain over GARCH(1,1)-t in %")]
    return _document(f"{job.pair} forecast report", parts)


def pictures(job: Job, found: Evaluation) -> dict[str, bytes]:
    """The report's plots of its family as PNG files, by name."""
    family = _family(found)
    figures = {
        "loss": _by_year(found.breakdown, family),
        "pit": _pit(job, found, family),
        "calibration": _calibration(found, family),
        "fan": _fans(job, found, family),
    }
    return {name: _png(figure) for name, figure in figures.items()}


def _family(found: Evaluation) -> str:
    """The family that the report is about: the champion, or the best of those that fail."""
    return found.selection.champion if found.selection.passed else found.selection.ranking[0]


def effects(params: Mapping[str, float | str]) -> list[str]:
    """What scheduled news does to the width of its day, in words, with an interval of two standard errors."""
    said = []
    for kind, words in DAYS_OF.items():
        if f"head_effect_{kind}" not in params:
            continue
        effect, error = (float(params[f"head_effect_{kind}{suffix}"]) for suffix in ("", "_error"))
        wider, low, high = (100 * math.expm1(value) for value in (effect, effect - 2 * error, effect + 2 * error))
        side = "wider" if wider >= 0 else "narrower"
        said.append(f"A day with {words} is {abs(wider):.0f} % {side} ({low:+.0f} to {high:+.0f} %).")
    if "head_close_taken" in params:
        said.append(f"Closes are taken {params['head_close_taken']} of their day.")
    return said


def _scores(found: Evaluation) -> str:
    rows = []
    for row in found.scores[found.scores["horizon"].isin(SHOWN_HORIZONS)].to_dict("records"):
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
    return _table(
        pd.DataFrame(rows), f"{int(found.scores['n'].max()):,} days; less loss is better, more skill is better"
    )


def _reliability(reliability: pd.DataFrame, family: str) -> pd.DataFrame:
    own = reliability[reliability["family"] == family]
    table = (100 * own.pivot(index="level", columns="horizon", values="share")).round(1)
    table.index = pd.Index([f"{100 * level:g} %" for level in table.index], name="level")
    table.columns = pd.Index([f"{days} d" for days in table.columns])
    return table.reset_index()


def _breakdown(breakdown: pd.DataFrame, family: str) -> pd.DataFrame:
    own = breakdown[(breakdown["family"] == family) & (breakdown["by"] != "year")]
    return pd.DataFrame(
        {
            "days": own["by"] + ": " + own["part"],
            "n": own["n"],
            "vs GARCH, %": (100 * own["skill_garch"]).map("{:+.2f}".format),
            "80 % covers": (100 * own["coverage_80"]).map("{:.1f}".format),
            "95 % covers": (100 * own["coverage_95"]).map("{:.1f}".format),
            "width of 80 %": own["width_80"].map("{:.2f}".format),
        }
    )


def _tests(found: Evaluation) -> pd.DataFrame:
    champion = found.selection.ranking[0]
    pairs = found.comparisons[found.comparisons["family"] == champion].set_index("other")
    mcs = found.confidence.set_index("family")
    return pd.DataFrame(
        [
            {
                f"{champion} against": other,
                "1 day": f"{pairs.loc[other, 'p_1']:.2g}",
                "mean of 1 to 5": f"{pairs.loc[other, 'p_mean']:.2g}",
                "its place in the confidence set": f"{mcs.loc[other, 'mcs']:.2g}" if other in mcs.index else "",
            }
            for other in pairs.index
        ]
    )


def _by_year(breakdown: pd.DataFrame, family: str) -> Figure:
    own = breakdown[(breakdown["family"] == family) & (breakdown["by"] == "year")]
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    skill = (100 * own["skill_garch"]).to_numpy(float)
    axes.bar(own["part"].tolist(), skill, color=np.where(skill >= 0, BLUE, RED).tolist())
    axes.axhline(0, color="#333333", linewidth=0.8)
    axes.set_ylabel("skill vs GARCH(1,1)-t, %")
    axes.tick_params(axis="x", rotation=45)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _pit(job: Job, found: Evaluation, family: str) -> Figure:
    own = found.forecasts[family]
    actual = targets(job.prices, own.origins)[:, 0]
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.hist(pit(actual, own.quantiles[:, 0]), bins=np.linspace(0, 1, 21).tolist(), density=True, color=BLUE)
    axes.axhline(1, color="#333333", linewidth=0.8)
    axes.set_title("PIT, 1 day: flat where the forecast is right", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _calibration(found: Evaluation, family: str) -> Figure:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots()
    share = found.reliability[found.reliability["family"] == family]
    for horizon, color in zip(SHOWN_HORIZONS, (BLUE, RED, GREY), strict=True):
        at = share[share["horizon"] == horizon]
        axes.plot(at["level"], at["share"] - at["level"], marker="o", markersize=3, color=color, label=f"{horizon} d")
    axes.axhline(0, color="#333333", linewidth=0.8)
    axes.set_title("Calibration: share of returns below a quantile, minus its level", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def _fans(job: Job, found: Evaluation, family: str) -> Figure:
    own = found.forecasts[family]
    own = own.at(own.origins[-FANS:])
    rows = positions(job.prices, own.origins)
    close = job.prices["close"].to_numpy(np.float64)
    days = pd.DatetimeIndex(job.prices.index)[rows + 1]
    quantiles = close[rows, None] * np.exp(own.quantiles[:, 0])
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots()
    for low, alpha in ((0.025, 0.2), (0.1, 0.35), (0.25, 0.5)):
        limits = (quantiles[:, LEVELS.index(level)] for level in (low, 1 - low))
        bottom, top = limits
        axes.vlines(days, bottom, top, color=BLUE, alpha=alpha, linewidth=4)
    axes.plot(days, close[rows + 1], marker="o", markersize=2.5, linewidth=0, color="#222222")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _png(figure: Figure) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=DPI, metadata={"Software": None})
    return data.getvalue()


def _image(png: bytes, words: str) -> str:
    return f'<img alt="{html.escape(words)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def _table(frame: pd.DataFrame, caption: str) -> str:
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in frame.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row) + "</tr>"
        for row in frame.itertuples(index=False)
    )
    return f"<table><caption>{html.escape(caption)}</caption><tr>{head}</tr>{rows}</table>"


def _list(sentences: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences) + "</ul>"


def _document(title: str, parts: Sequence[str]) -> str:
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    return (
        f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>\n' + "\n".join(parts) + "\n</body>\n</html>\n"
    )
