"""Selection of the champion, a pure function of the scores and tests, and sentences that summarise it.

The place is taken by a test, not by a decimal: see training/PROTOCOL.md.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pandas as pd

from training.conventions import BASELINE_NAMES, COMPARED_DAYS, HEADLINE_HORIZONS
from training.errors import NamedError
from training.evaluation.gates import SIGNIFICANT, TIE, Tests, gates

LOOK_LEVEL = 0.02  # of a look at all challengers: in five years of looks about 4 % promote a family that is no better
CONSTRUCTION_SKILL = 1e-3  # skill against garch within which random_walk counts as GARCH-t by construction
REFERENCE = "ewma"

_MEANING = {
    "constant": "a constant-variance random walk",
    "ewma": "EWMA(0.94)-Gaussian",
    "garch": "GARCH(1,1)-t",
}


class NoFamilyPassesError(NamedError, ValueError):
    """Every family fails a gate, so there is no champion; the message has the reasons of each."""


@dataclass(frozen=True)
class Step:
    """One family taking another's place: the difference in relative loss, and the p-value at one day."""

    family: str
    other: str
    lead: float
    p_1: float


@dataclass(frozen=True)
class Selection:
    """Families by rank, those that fail a gate last.

    `relative` is each family's mean over horizons 1 to COMPARED_DAYS of pinball / EWMA's pinball, smaller is better.
    `failed` has the reasons of those that cannot be champion.
    """

    ranking: tuple[str, ...]
    relative: Mapping[str, float]
    tie: bool  # the best family is not significantly better than the second
    failed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    first: str | None = None  # the family that held the place: the incumbent, or the simplest family that passes
    steps: tuple[Step, ...] = ()
    level: float = LOOK_LEVEL  # below which the p-value of a challenger must be: LOOK_LEVEL / challengers

    @property
    def passed(self) -> tuple[str, ...]:
        return tuple(family for family in self.ranking if family not in self.failed)

    @property
    def challengers(self) -> int:
        """The number of families that were tested: those that pass, but the one that held the place."""
        return max(0, len(self.passed) - 1)

    @property
    def champion(self) -> str:
        """The best family that passes; raises NoFamilyPassesError when there is none."""
        if not self.passed:
            reasons = "; ".join(f"{family}: {', '.join(self.failed[family])}" for family in self.ranking)
            raise NoFamilyPassesError(f"nothing is published, because no family passes every gate: {reasons}")
        return self.passed[0]

    @property
    def challenger(self) -> str | None:
        return self.passed[1] if len(self.passed) > 1 else None

    @property
    def candidate(self) -> str | None:
        return self.passed[2] if len(self.passed) > 2 else None

    @property
    def aliases(self) -> dict[str, str]:
        """Family by alias, for as many aliases as there are families that pass."""
        return dict(zip(("champion", "challenger", "candidate"), self.passed, strict=False))


@dataclass(frozen=True)
class Look:
    """The comparison of the families of one run, one of many at nearly the same days.

    Attributes:
        number: 1 for the first that the registry knows.
        previous: The day of the one before, None for the first.
        days: The number of days that were compared.
        challengers: The number of families that were tested.
        level: The level of each test.
    """

    number: int
    previous: date | None
    days: int
    challengers: int
    level: float

    def describe(self) -> str:
        """Describe the look in a sentence."""
        challengers = f"{self.challengers} challenger{' was' if self.challengers == 1 else 's were'}"
        number = f"look {self.number}" if self.previous else "the first look"
        before = f"; the previous one was on {self.previous}" if self.previous else ""
        tested = f"tested at {self.level:.2g} on {self.days:,} days"
        return f"{challengers} {tested}. This is {number} of this registry{before}."


def select(
    scores: pd.DataFrame, comparisons: pd.DataFrame, simplest_first: Sequence[str], incumbent: str | None = None
) -> Selection:
    """Choose the champion and rank the others.

    The incumbent, or where it fails a gate or is none of the families the simplest family that passes, keeps its place
    unless another that passes is better: less relative loss over 1 to COMPARED_DAYS days by more than TIE, and a
    p-value of the one-sided test at one day below LOOK_LEVEL / challengers. Every run is another look at nearly the
    same days, so that the level is that of five years of looks (see training/PROTOCOL.md). Challengers are tried once
    each, the simplest first, so that of equals the simplest wins; the others are ranked by relative loss, equals by
    simplicity.

    Raises ValueError when a score is missing or when there is no family to choose.

    Args:
        scores: The score table; the baselines among its families cannot be chosen.
        comparisons: The table of `significance.compare`.
        simplest_first: The names of the families, by simplicity.
        incumbent: The family of the present champion.
    """
    relative = relative_pinball(scores)
    order = [*simplest_first, *sorted(set(relative) - set(simplest_first))]
    simplicity = {family: order.index(family) for family in relative}
    tests = {(row["family"], row["other"]): (row["p_1"], row["p_mean"]) for row in comparisons.to_dict("records")}
    by_simplicity = sorted(relative, key=simplicity.__getitem__)
    reasons = {family: gates(scores, tests, family) for family in by_simplicity}
    failed = {family: failures for family, failures in reasons.items() if failures}
    passed = [family for family in reasons if not reasons[family]]
    champion = first = incumbent if incumbent in passed else next(iter(passed), None)
    level = LOOK_LEVEL / max(1, len(passed) - 1)
    steps = []
    for challenger in passed:
        if champion is not None and (step := _step(tests, relative, challenger, champion, level)):
            steps.append(step)
            champion = challenger
    ranking = sorted(relative, key=lambda name: (name in failed, name != champion, relative[name], simplicity[name]))
    runner_up = next((family for family in ranking[1:] if family not in failed), None)
    is_better = champion and runner_up and _step(tests, relative, champion, runner_up, level)
    return Selection(tuple(ranking), relative, bool(runner_up) and not is_better, failed, first, tuple(steps), level)


def _step(tests: Tests, relative: Mapping[str, float], family: str, other: str, level: float) -> Step | None:
    """The step from `other` to `family`; None unless `family` is significantly better.

    Args:
        tests: The p-values by (family, other).
        relative: The relative losses by family.
        family: The challenger.
        other: The family whose place it would take.
        level: The level of the test.
    """
    lead = relative[other] - relative[family]
    p_1, _ = tests.get((family, other), (math.nan, math.nan))
    return Step(family, other, lead, float(p_1)) if lead > TIE and p_1 < level else None


def relative_pinball(scores: pd.DataFrame) -> dict[str, float]:
    """Mean over horizons 1 to COMPARED_DAYS of pinball divided by EWMA's pinball, by family; raises like select."""
    days = scores[scores["horizon"] <= COMPARED_DAYS]
    pinball = days.pivot(index="family", columns="horizon", values="pinball")
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


def summary_sentences(scores: pd.DataFrame, selection: Selection) -> list[str]:
    """Summarise the selection in sentences: where the champion is better and where not, with the scores."""
    failing = [f"{family} cannot be champion: {', '.join(reasons)}." for family, reasons in selection.failed.items()]
    if not selection.passed:
        return ["No family passes every gate, so there is no champion and nothing to publish.", *failing]
    return [
        selection_sentence(selection),
        *failing,
        *(_skill_sentence(scores, selection.champion, baseline) for baseline in BASELINE_NAMES),
        *_random_walk_sentences(scores),
        _point_sentence(scores),
    ]


def selection_sentence(selection: Selection) -> str:
    """Explain in a sentence why the champion was selected."""
    champion, challenger = selection.champion, selection.challenger
    if selection.steps:
        comparisons = "; ".join(
            f"{step.family} is better than {step.other} by {step.lead:.4f} in relative pinball loss over 1 to "
            f"{COMPARED_DAYS} days (p {step.p_1:.2g} at 1 day, tested at {selection.level:.2g})"
            for step in selection.steps
        )
        return f"{champion} is the champion, in place of {selection.first}: {comparisons}."
    if challenger is None:
        return f"{champion} is the champion: it is the only family{' that passes' if selection.failed else ''}."
    lead = selection.relative[challenger] - selection.relative[champion]
    if selection.tie:
        return (
            f"{champion} is the champion in a tie: {challenger} is within {abs(lead):.6f} of it in relative pinball "
            "loss and not significantly better."
        )
    return f"{champion} is the champion, ahead of {challenger} by {lead:.4f} in relative pinball loss."


def _skill_sentence(scores: pd.DataFrame, family: str, baseline: str) -> str:
    rows = scores[scores["family"] == family].set_index("horizon")
    skill, p_value = rows[f"skill_{baseline}"], rows[f"dm_{baseline}"]
    days = ", ".join(
        f"{_percent(skill[horizon])} at {horizon} day{'s' if horizon > 1 else ''}"
        + ("" if math.isnan(p_value[horizon]) else f" (p {p_value[horizon]:.2g})")
        for horizon in skill.index
        if horizon in HEADLINE_HORIZONS
    )
    compared = skill[skill.index <= COMPARED_DAYS]
    return (
        f"Spread: {family} has a skill of {_percent(compared.mean())} in pinball loss against "
        f"{_MEANING[baseline]} ({baseline}), the mean over {len(compared)} horizons; {days}."
    )


def _random_walk_sentences(scores: pd.DataFrame) -> list[str]:
    skills = scores.loc[scores["family"] == "random_walk", "skill_garch"]
    if skills.empty:
        return []
    skill = float(skills.mean())
    if abs(skill) <= CONSTRUCTION_SKILL:
        return [
            "random_walk with the GARCH head is identical to GARCH-t by construction; its skill against garch "
            f"({skill:+.4%}) is not a finding."
        ]
    return [
        f"random_walk differs from garch by a skill of {_percent(skill)}: it is not GARCH-t here, so it has another "
        "volatility head or the two fits disagree."
    ]


def _point_sentence(scores: pd.DataFrame) -> str:
    """Every family and horizon is one attempt, so p-values are compared with SIGNIFICANT / attempts (Bonferroni)."""
    attempts = scores[~scores["family"].isin(list(BASELINE_NAMES)) & scores["dm_walk"].notna()]
    if attempts.empty:
        return "Point forecasts: no family predicts a change."
    significant = attempts["dm_walk"] < SIGNIFICANT / len(attempts)
    better, worse = (attempts[significant & mask] for mask in (attempts["theil_u"] < 1, attempts["theil_u"] > 1))
    best = (better if len(better) else attempts).sort_values(["theil_u", "family", "horizon"]).iloc[0]
    numbers = (
        f"Theil's U {best['theil_u']:.4f} ({best['family']} at {best['horizon']} "
        f"day{'s' if best['horizon'] > 1 else ''}, Diebold-Mariano p {best['dm_walk']:.2g})"
    )
    total = f"{len(attempts)} tries (family and horizon), each tested at {SIGNIFICANT / len(attempts):.2g} (Bonferroni)"
    if len(better):
        return (
            f"Point forecasts: {', '.join(dict.fromkeys(better['family']))} beat the random walk significantly, at "
            f"best with {numbers}; {len(better)} better and {len(worse)} worse of {total}."
        )
    return (
        f"Point forecasts do not beat the random walk: the best has {numbers}; none is significantly better and "
        f"{len(worse)} significantly worse of {total}."
    )


def _percent(skill: float) -> str:
    return f"{skill:+.2%}"
