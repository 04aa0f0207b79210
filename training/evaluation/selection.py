"""Which family becomes champion: a pure function of the score table, and what can honestly be said of the choice."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from training.evaluation.baselines import BASELINES

TIE = 1e-4  # relative pinball: a smaller lead is noise, so the incumbent stays
SIGNIFICANT = 0.05
SAME = 1e-3  # skill within which random_walk counts as its own construction, GARCH-t
REFERENCE = "ewma"

_MEANING = {
    "constant": "a constant-variance random walk",
    "ewma": "EWMA(0.94)-Gaussian",
    "garch": "GARCH(1,1)-t",
}


@dataclass(frozen=True)
class Selection:
    """Families by rank; `relative` is each one's mean over horizons of pinball / EWMA's pinball, smaller is better."""

    ranking: tuple[str, ...]
    relative: Mapping[str, float]
    tie: bool  # the two best are within TIE of each other

    @property
    def champion(self) -> str:
        return self.ranking[0]

    @property
    def challenger(self) -> str | None:
        return self.ranking[1] if len(self.ranking) > 1 else None

    @property
    def candidate(self) -> str | None:
        return self.ranking[2] if len(self.ranking) > 2 else None

    @property
    def aliases(self) -> dict[str, str]:
        """Alias -> family, for as many aliases as there are families."""
        return dict(zip(("champion", "challenger", "candidate"), self.ranking, strict=False))


def select(scores: pd.DataFrame, incumbent: str | None = None) -> Selection:
    """Rank the families by relative pinball, equals by name; within TIE of the best the incumbent keeps its place.

    `scores` has a row for each family and horizon, the baselines among them, which are no candidates. Raises
    ValueError when a score is missing or when there is no family to choose.
    """
    relative = relative_pinball(scores)
    ranking = sorted(relative, key=lambda family: (relative[family], family))
    lead = {family: relative[family] - relative[ranking[0]] for family in ranking}
    tie = len(ranking) > 1 and lead[ranking[1]] <= TIE
    if incumbent in lead and lead[incumbent] <= TIE:
        ranking.remove(incumbent)
        ranking.insert(0, incumbent)
    return Selection(tuple(ranking), relative, tie)


def relative_pinball(scores: pd.DataFrame) -> dict[str, float]:
    """Each family's mean over horizons of its pinball divided by EWMA's at that horizon; raises like select."""
    pinball = scores.pivot(index="family", columns="horizon", values="pinball")
    incomplete = sorted(pinball.index[pinball.isna().any(axis=1)])
    if incomplete:
        raise ValueError(f"scores: {incomplete[0]} has no pinball loss at some horizon; evaluate it again")
    if REFERENCE not in pinball.index:
        raise ValueError(f"scores: the baseline {REFERENCE} is missing; score the families together with it")
    families = sorted(set(pinball.index) - set(BASELINES))
    if not families:
        raise ValueError("scores: there are only baselines; evaluate at least one family")
    ratios = pinball.div(pinball.loc[REFERENCE], axis="columns")
    return {family: float(ratios.loc[family].mean()) for family in families}


def honesty(scores: pd.DataFrame, selection: Selection) -> list[str]:
    """Plain sentences on what this run's champion is better at and what not, with the numbers of the score table."""
    return [
        _choice(selection),
        *(_against(scores, selection.champion, baseline) for baseline in BASELINES),
        *_construction(scores),
        _points(scores),
    ]


def _choice(selection: Selection) -> str:
    champion, challenger = selection.champion, selection.challenger
    if challenger is None:
        return f"{champion} is the champion: it is the only family."
    lead = selection.relative[challenger] - selection.relative[champion]
    if selection.tie:
        return (
            f"{champion} is the champion in a tie: {challenger} is within {abs(lead):.6f} of it in relative pinball "
            f"loss, less than the {TIE:g} that would count."
        )
    return f"{champion} is the champion, ahead of {challenger} by {lead:.4f} in relative pinball loss."


def _against(scores: pd.DataFrame, family: str, baseline: str) -> str:
    own = scores[scores["family"] == family].set_index("horizon")
    skill, p_value = own[f"skill_{baseline}"], own[f"dm_{baseline}"]
    first, last = skill.index.min(), skill.index.max()
    days = ", ".join(
        f"{_percent(skill[h])} at {h} day{'s' if h > 1 else ''}{_p(p_value[h])}" for h in dict.fromkeys([first, last])
    )
    return (
        f"Spread: {family} has a skill of {_percent(skill.mean())} in pinball loss against "
        f"{_MEANING[baseline]} ({baseline}), the mean over {len(skill)} horizons; {days}."
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
    tried = scores[~scores["family"].isin(list(BASELINES)) & scores["dm_walk"].notna()]
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
