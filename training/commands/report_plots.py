"""Plots of an evaluation, for the report and for MLflow."""

import io

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.conventions import HEADLINE_HORIZONS
from training.evaluation.scores import pit
from training.prices.windows import LEVELS, positions, targets
from training.runs.jobs import Job
from training.runs.pipeline import Evaluation

FANS = 60  # latest forecasts, plotted with their outcomes
DPI = 110
BLUE, RED, GREY, BLACK = "#2a6f97", "#c1443c", "#666666", "#333333"


def shown_family(evaluation: Evaluation) -> str:
    """Return the champion, or the best family when none passes the gates."""
    selection = evaluation.selection
    return selection.champion if selection.passed else selection.ranking[0]


def draw_plots(job: Job, evaluation: Evaluation) -> dict[str, bytes]:
    """Return the plots of the report as PNG files, by name."""
    family = shown_family(evaluation)
    forecasts = evaluation.forecasts[family]
    heights = {"loss": 3.2, "pit": 3.2, "calibration": 3.6, "fan": 3.6}
    figures = {name: Figure(figsize=(9, height), layout="constrained") for name, height in heights.items()}
    loss, histogram, calibration, fan = (_add_axes(figure) for figure in figures.values())

    by_year = evaluation.breakdown[(evaluation.breakdown["family"] == family) & (evaluation.breakdown["by"] == "year")]
    skill = (100 * by_year["skill_garch"]).to_numpy(float)
    loss.bar(by_year["part"].tolist(), skill, color=np.where(skill >= 0, BLUE, RED).tolist())
    loss.axhline(0, color=BLACK, linewidth=0.8)
    _label(loss, f"Skill of {family} by year, one day ahead", "year", "skill vs GARCH(1,1)-t, %")
    loss.tick_params(axis="x", rotation=45)

    actual = targets(job.prices, forecasts.origins)[:, 0]
    values = pit(actual, forecasts.quantiles[:, 0])
    histogram.hist(values, bins=np.linspace(0, 1, 21).tolist(), density=True, color=BLUE)
    histogram.axhline(1, color=BLACK, linewidth=0.8)
    _label(histogram, "PIT, one day ahead (flat: calibrated)", "probability integral transform", "density")

    reliability = evaluation.reliability[evaluation.reliability["family"] == family]
    for horizon, color in zip(HEADLINE_HORIZONS, (BLUE, RED, GREY), strict=True):
        rows = reliability[reliability["horizon"] == horizon]
        error = rows["share"] - rows["level"]
        calibration.plot(rows["level"], error, marker="o", markersize=3, color=color, label=f"{horizon} d")
    calibration.axhline(0, color=BLACK, linewidth=0.8)
    title = "Calibration: share of returns below a quantile, minus its level"
    _label(calibration, title, "level of the quantile", "share minus level")
    calibration.legend(loc="upper right", frameon=False)

    latest = forecasts.at(forecasts.origins[-FANS:])
    origins = positions(job.prices, latest.origins)
    close = job.prices["close"].to_numpy(np.float64)
    days = pd.DatetimeIndex(job.prices.index)[origins + 1]
    quantiles = close[origins, None] * np.exp(latest.quantiles[:, 0])
    for low, alpha in ((0.025, 0.2), (0.1, 0.35), (0.25, 0.5)):
        bottom, top = (quantiles[:, LEVELS.index(level)] for level in (low, 1 - low))
        fan.vlines(days, bottom, top, color=BLUE, alpha=alpha, linewidth=4)
    fan.plot(days, close[origins + 1], marker="o", markersize=2.5, linewidth=0, color="#222222")

    title = f"Latest {len(days)} forecasts, one day ahead: 50, 80 and 95 % ranges, and the outcomes"
    _label(fan, title, "day", f"{job.pair[3:]} per {job.pair[:3]}")

    plots = {}
    for name, figure in figures.items():
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=DPI, metadata={"Software": None})
        plots[name] = data.getvalue()
    return plots


def plot_skill(skill: pd.DataFrame, family: str) -> Figure:
    """Plot a family's pinball skill against EWMA by year as bars, with GARCH-t as a line.

    It shows whether the skill is steady or comes from a single year.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = _add_axes(figure)
    years = [str(year) for year in skill.columns]
    values = (100 * skill.loc[family]).to_numpy(float)
    axes.bar(years, values, color=np.where(values >= 0, BLUE, RED).tolist(), label=family)
    axes.plot(years, 100 * skill.loc["garch"], color=BLACK, marker="o", markersize=3, linewidth=1, label="garch")
    axes.axhline(0, color=BLACK, linewidth=0.8)
    _label(axes, f"{family}: pinball skill by year, one day ahead", "year", "skill vs EWMA, %")
    axes.tick_params(axis="x", rotation=45)
    axes.legend(loc="upper left", frameon=False)
    return figure


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    """Set the title of a plot and the titles of its axes."""
    axes.set_title(title, loc="left")
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _add_axes(figure: Figure) -> Axes:
    """Return new axes of a figure, without a frame at the top and on the right."""
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return axes
