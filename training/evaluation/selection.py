"""Which family becomes champion: a pure function of the scores and tests, and what can honestly be said of the choice.

The place is taken by a test, not by a decimal: see training/PROTOCOL.md.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from training.errors import NamedError
from training.evaluation.gates import SIGNIFICANT, TIE, Tests, gates
from training.evaluation.names import BASELINE_NAMES, JUDGED

SAME = 1e-3  # skill within which random_walk counts as its own construction, GARCH-t
REFERENCE = "ewma"
SHOWN = (1, 5, 21)  # horizons of the sentences

_MEANING = {
    "constant": "a constant-variance random walk",
    "ewma": "EWMA(0.94)-Gaussian",
    "garch": "GARCH(1,1)-t",
}


class NoFamilyPassesError(NamedError, ValueError):
    """Every family fails a gate, so there is no champion; the message has the reasons."""


@dataclass(frozen=True)
class Step:
    """One family took another's place: by how much less relative loss, and with which p-values."""

    family: str
    other: str
    lead: float
    p_1: float
    p_mean: float


@dataclass(frozen=True)
class Selection:
    """Families by rank, those that fail a gate last; `relative` is each one's mean over horizons 1 to JUDGED of pinball
    / EWMA's pinball, smaller is better. `failed` has the reasons of those that cannot be champion."""

    ranking: tuple[str, ...]
    relative: Mapping[str, float]
    tie: bool  # no test tells the two best apart
    failed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    first: str | None = None  # whose place it was: the incumbent's, or the simplest family's that passes
    steps: tuple[Step, ...] = ()

    @property
    def passed(self) -> tuple[str, ...]:
        return tuple(family for family in self.ranking if family not in self.failed)

    @property
    def champion(self) -> str:
        """Raises NoFamilyPassesError when there is none."""
        if not self.passed:
            reasons = "; ".join(f"{family}: {', '.join(self.failed[family])}" for family in self.ranking)
            raise NoFamilyPassesError(f"nothing is published, as no family passes every gate: {reasons}")
        return self.passed[0]

    @property
    def challenger(self) -> str | None:
        return self.passed[1] if len(self.passed) > 1 else None

    @property
    def candidate(self) -> str | None:
        return self.passed[2] if len(self.passed) > 2 else None

    @property
    def aliases(self) -> dict[str, str]:
        """Alias -> family, for as many aliases as there are families that pass."""
        return dict(zip(("champion", "challenger", "candidate"), self.passed, strict=False))


def select(
    scores: pd.DataFrame, comparisons: pd.DataFrame, simplest_first: Sequence[str], incumbent: str | None = None
) -> Selection:
    """Choose the champion and rank the others.

    The incumbent, or where it fails a gate or is none of the families the simplest family that passes, keeps its place
    unless another that passes is better: less relative loss by more than TIE, and the one-sided test says so at 5 % at
    one day and over the mean of 1 to JUDGED days. Challengers are tried once each, the simplest first, so that of
    equals the simplest wins; the others are ranked by relative loss, equals by simplicity.

    `scores` is the score table, baselines among its families, which are no candidates; `comparisons` that of
    `comparison.compare`. Raises ValueError when a score is missing or when there is no family to choose.
    """
    relative = relative_pinball(scores)
    order = [*simplest_first, *sorted(set(relative) - set(simplest_first))]
    simplicity = {family: order.index(family) for family in relative}
    tests = {(row["family"], row["other"]): (row["p_1"], row["p_mean"]) for row in comparisons.to_dict("records")}
    by_simplicity = sorted(relative, key=simplicity.__getitem__)
    reasons = {family: gates(scores, tests, family) for family in by_simplicity}
    failed = {family: why for family, why in reasons.items() if why}
    passed = [family for family in reasons if not reasons[family]]
    champion = first = incumbent if incumbent in passed else next(iter(passed), None)
    steps = []
    for challenger in passed:
        if champion is not None and (step := _step(tests, relative, challenger, champion)):
            steps.append(step)
            champion = challenger
    ranking = sorted(relative, key=lambda one: (one in failed, one != champion, relative[one], simplicity[one]))
    runner = next((family for family in ranking[1:] if family not in failed), None)
    apart = champion and runner and _step(tests, relative, champion, runner)
    return Selection(tuple(ranking), relative, bool(runner) and not apart, failed, first, tuple(steps))


def _step(tests: Tests, relative: Mapping[str, float], family: str, other: str) -> Step | None:
    """That `family` is better than `other`; None when it is not, or when there is nothing to test."""
    lead = relative[other] - relative[family]
    p_1, p_mean = tests.get((family, other), (math.nan, math.nan))
    if lead > TIE and p_1 < SIGNIFICANT and p_mean < SIGNIFICANT:
        return Step(family, other, lead, float(p_1), float(p_mean))
    return None


def relative_pinball(scores: pd.DataFrame) -> dict[str, float]:
    """Each family's mean over horizons 1 to JUDGED of its pinball divided by EWMA's there; raises like select."""
    judged = scores[scores["horizon"] <= JUDGED]
    pinball = judged.pivot(index="family", columns="horizon", values="pinball")
    incomplete = sorted(pinball.index[pinball.isna().any(axis=1)])
    if incomplete:
        raise ValueError(f"scores: {incomplete[0]} has no pinball loss at some horizon; evaluate it again")
    if REFERENCE not in pinball.index:
        raise ValueError(f"scores: the baseline {REFERENCE} is missing; score the families together with it")
    families = sorted(set(pinball.index) - set(BASELINE_NAMES))
    if not families:
        raise ValueError("scores: there are only baselines; evaluate at least one family")
    ratios = pinball.div(pinball.loc[REFERENCE], axis="columns")
    return {family: float(ratios.loc[family].mean()) for family in families}


def honesty(scores: pd.DataFrame, selection: Selection) -> list[str]:
    """Plain sentences on what this run's champion is better at and what not, with the numbers of the score table."""
    failing = [f"{family} cannot be champion: {', '.join(why)}." for family, why in selection.failed.items()]
    if not selection.passed:
        return ["No family passes every gate, so there is no champion and nothing to publish.", *failing]
    return [
        choice(selection),
        *failing,
        *(_against(scores, selection.champion, baseline) for baseline in BASELINE_NAMES),
        *_construction(scores),
        _points(scores),
    ]


def choice(selection: Selection) -> str:
    """Why the champion is it, in a sentence."""
    champion, challenger = selection.champion, selection.challenger
    if selection.steps:
        won = "; ".join(
            f"{step.family} is better than {step.other} by {step.lead:.4f} in relative pinball loss over 1 to {JUDGED} "
            f"days (p {step.p_1:.2g} at 1 day, {step.p_mean:.2g} over all)"
            for step in selection.steps
        )
        return f"{champion} is the champion, in the place of {selection.first}: {won}."
    if challenger is None:
        return f"{champion} is the champion: it is the only family{' that passes' if selection.failed else ''}."
    lead = selection.relative[challenger] - selection.relative[champion]
    if selection.tie:
        return (
            f"{champion} is the champion in a tie: {challenger} is within {abs(lead):.6f} of it in relative pinball "
            "loss, and no test says that it is better."
        )
    return f"{champion} is the champion, ahead of {challenger} by {lead:.4f} in relative pinball loss."


def _against(scores: pd.DataFrame, family: str, baseline: str) -> str:
    own = scores[scores["family"] == family].set_index("horizon")
    skill, p_value = own[f"skill_{baseline}"], own[f"dm_{baseline}"]
    shown = [h for h in skill.index if h in SHOWN]
    days = ", ".join(f"{_percent(skill[h])} at {h} day{'s' if h > 1 else ''}{_p(p_value[h])}" for h in shown)
    judged = skill[skill.index <= JUDGED]
    return (
        f"Spread: {family} has a skill of {_percent(judged.mean())} in pinball loss against "
        f"{_MEANING[baseline]} ({baseline}), the mean over {len(judged)} horizons; {days}."
    )


def _construction(scores: pd.DataFrame) -> list[str]:
    skills = scores.loc[scores["family"] == "random_walk", "skill_garch"]
    if skills.empty:
        return []
    skill = float(skills.mean())
    if abs(skill) <= SAME:
        return [
            "random_walk with the GARCH head is GARCH-t by construction, so its skill against garch "
            f"({skill:+.4%}) is no finding."
        ]
    return [
        f"random_walk differs from garch by a skill of {_percent(skill)}: it is not GARCH-t here, so it has another "
        "volatility head or the two fits disagree."
    ]


def _points(scores: pd.DataFrame) -> str:
    """Every family and horizon is one attempt, so p-values are judged against SIGNIFICANT / attempts (Bonferroni)."""
    tried = scores[~scores["family"].isin(list(BASELINE_NAMES)) & scores["dm_walk"].notna()]
    if tried.empty:
        return "Point forecasts: no family forecasts anything but the random walk."
    clear = tried["dm_walk"] < SIGNIFICANT / len(tried)
    better, worse = tried[clear & (tried["theil_u"] < 1)], tried[clear & (tried["theil_u"] > 1)]
    best = (better if len(better) else tried).sort_values(["theil_u", "family", "horizon"]).iloc[0]
    numbers = (
        f"Theil's U {best['theil_u']:.4f} ({best['family']} at {best['horizon']} "
        f"day{'s' if best['horizon'] > 1 else ''}, Diebold-Mariano p {best['dm_walk']:.2g})"
    )
    level = f"of {len(tried)} tries (family and horizon), each judged at {SIGNIFICANT / len(tried):.2g} (Bonferroni)"
    if len(better):
        return (
            f"Point forecasts: {', '.join(dict.fromkeys(better['family']))} beat the random walk significantly, at "
            f"best {numbers}; {len(better)} better and {len(worse)} worse {level}."
        )
    return (
        f"Point forecasts do not beat the random walk: the best has {numbers}; none is significantly better and "
        f"{len(worse)} significantly worse {level}."
    )


def _percent(skill: float) -> str:
    return f"{skill:+.2%}"


def _p(p_value: float) -> str:
    return "" if math.isnan(p_value) else f" (p {p_value:.2g})"
