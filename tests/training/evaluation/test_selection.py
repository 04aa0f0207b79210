"""Selection is a pure function of scores and tests: its laws, its gates, and sentences that follow the numbers."""

from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.facts import lacking
from training.evaluation.baselines import BASELINES
from training.evaluation.gates import TIE, gates
from training.evaluation.selection import (
    LOOK_LEVEL,
    NoFamilyPassesError,
    Selection,
    relative_pinball,
    select,
    summary_sentences,
)

law = settings(deadline=None, max_examples=40)

HORIZON = 5
EWMA = (0.0811, 0.1144, 0.1394, 0.1609, 0.1804)
FAMILIES = ("random_walk", "linear_regression", "arima", "gru", "lstm")  # the simplest first

# Relative pinball in steps of a third of a tie, so that ties are common and never decided by rounding.
STEP = TIE / 3
steps = st.dictionaries(st.sampled_from(FAMILIES), st.integers(-9, 9), min_size=1)
incumbents = st.sampled_from([None, "unknown", *FAMILIES])

SOUND = {"coverage_80": 0.8, "coverage_95": 0.95, "theil_u": 1.0, "n": 4000.0} | {
    f"{test}_{percent}": 0.5 for test in ("kupiec", "christoffersen") for percent in (1, 5)
}


def table(relative: Mapping[str, float], garch: float = 1.0) -> pd.DataFrame:
    """Scores of families whose pinball is `relative` times EWMA's at every horizon, and of the baselines; every other
    gate is passed."""
    factors = {**relative, "constant": 1.05, "ewma": 1.0, "garch": garch}
    return pd.DataFrame(
        [
            {"family": family, "horizon": h, "pinball": factor * EWMA[min(h, HORIZON) - 1], **SOUND}
            | {f"skill_{name}": 1 - factor / factors[name] for name in BASELINES}
            for family, factor in factors.items()
            for h in (1, 2, 3, 4, 5, 21)
        ]
    )


def compared(scores: pd.DataFrame, p_value: float = 0.001) -> pd.DataFrame:
    """Of every pair: what loses less at one day is better with this p-value, and the other is not."""
    loss = scores[scores["horizon"] == 1].set_index("family")["pinball"].to_dict()
    rows = []
    for family, other in permutations(loss, 2):
        p = p_value if loss[family] < loss[other] else 1 - p_value
        rows.append({"family": family, "other": other, "p_1": p, "p_mean": p})
    return pd.DataFrame(rows, columns=["family", "other", "p_1", "p_mean"])


def chosen(scores: pd.DataFrame, incumbent: str | None = None, p_value: float = 0.001) -> Selection:
    return select(scores, compared(scores, p_value), FAMILIES, incumbent)


def stepped(ranks: Mapping[str, int]) -> pd.DataFrame:
    """Families better than the baselines by about one percent, in steps of a third of a tie."""
    return table({family: 0.99 + STEP * step for family, step in ranks.items()})


def test_relative_pinball_equals_a_loop_and_leaves_the_baselines_and_the_month_out() -> None:
    scores = table({"lstm": 0.99, "arima": 1.02})
    rng = np.random.default_rng(0)
    scores["pinball"] *= rng.uniform(0.9, 1.1, len(scores))
    loss = {(row["family"], row["horizon"]): row["pinball"] for _, row in scores.iterrows()}
    expected = {
        family: sum(loss[family, h] / loss["ewma", h] for h in range(1, HORIZON + 1)) / HORIZON
        for family in ("arima", "lstm")
    }
    assert relative_pinball(scores) == pytest.approx(expected, rel=1e-12)


def test_ranks_become_the_three_aliases() -> None:
    selection = chosen(table({"arima": 0.995, "lstm": 0.99, "linear_regression": 0.999, "random_walk": 0.993}))
    assert selection.ranking == ("lstm", "random_walk", "arima", "linear_regression")
    assert (selection.champion, selection.challenger, selection.candidate) == ("lstm", "random_walk", "arima")
    assert selection.aliases == {"champion": "lstm", "challenger": "random_walk", "candidate": "arima"}
    assert not selection.tie


def test_a_single_family_is_champion_without_a_challenger() -> None:
    selection = chosen(table({"random_walk": 0.99}), incumbent="lstm")
    assert (selection.champion, selection.challenger, selection.candidate) == ("random_walk", None, None)
    assert selection.aliases == {"champion": "random_walk"}


def test_the_random_walk_wins_when_nothing_beats_it() -> None:
    assert chosen(table({"lstm": 0.999, "random_walk": 0.995, "arima": 0.996})).champion == "random_walk"


def test_a_lead_that_chance_could_make_takes_nobodys_place() -> None:
    """Lower loss is not enough where the test does not speak."""
    scores = table({"lstm": 0.98, "random_walk": 0.99})
    assert chosen(scores, p_value=1.05 * LOOK_LEVEL).champion == "random_walk"
    assert chosen(scores, p_value=0.95 * LOOK_LEVEL).champion == "lstm"
    assert chosen(scores, "lstm", p_value=0.06).champion == "lstm"
    for p_value in (0.3, np.nan):
        assert select(scores, compared(scores).assign(p_1=p_value), FAMILIES).champion == "random_walk"
        assert select(scores, compared(scores).assign(p_mean=p_value), FAMILIES).champion == "lstm"


def test_what_is_better_at_one_day_and_worse_over_five_takes_nobodys_place() -> None:
    scores = table({"lstm": 0.99, "random_walk": 0.99})
    first = (scores["family"] == "lstm") & (scores["horizon"] == 1)
    later = (scores["family"] == "lstm") & (scores["horizon"] > 1)
    scores.loc[first, "pinball"] *= 0.98
    scores.loc[later, "pinball"] *= 1.01
    assert chosen(scores).champion == "random_walk"


def test_challengers_share_the_level_of_a_look() -> None:
    """Only those that pass the gates are challengers."""
    scores = table({"lstm": 0.98, "arima": 0.991, "linear_regression": 0.992, "random_walk": 0.99})
    assert chosen(scores).level == LOOK_LEVEL / 3
    assert chosen(scores, p_value=0.95 * LOOK_LEVEL / 3).champion == "lstm"
    assert chosen(scores, p_value=1.05 * LOOK_LEVEL / 3).champion == "random_walk"
    scores.loc[scores["family"] == "arima", "theil_u"] = 1.1
    assert chosen(scores, p_value=1.05 * LOOK_LEVEL / 3).champion == "lstm"


@given(steps, incumbents, st.randoms(use_true_random=False))
@law
def test_the_order_of_the_rows_does_not_matter(ranks: dict[str, int], incumbent: str | None, random: object) -> None:
    scores = stepped(ranks)
    order = list(range(len(scores)))
    random.shuffle(order)  # type: ignore[attr-defined]
    pairs = compared(scores)
    assert select(scores.iloc[order], pairs.iloc[::-1], FAMILIES, incumbent) == chosen(scores, incumbent)


@given(steps, incumbents)
@law
def test_every_family_has_one_rank_and_baselines_have_none(ranks: dict[str, int], incumbent: str | None) -> None:
    selection = chosen(stepped(ranks), incumbent)
    assert sorted(selection.ranking) == sorted(ranks)
    assert set(selection.relative) == set(ranks)


@given(steps, incumbents)
@law
def test_the_incumbent_keeps_a_tie_and_nothing_else(ranks: dict[str, int], incumbent: str | None) -> None:
    selection = chosen(stepped(ranks), incumbent)
    best = min(ranks.values())
    if incumbent in ranks and ranks[incumbent] <= best + 2:  # two thirds of a tie; three are its rounded limit
        assert selection.champion == incumbent
        by_loss = sorted(ranks, key=lambda family: (ranks[family], FAMILIES.index(family)))
        assert list(selection.ranking[1:]) == [family for family in by_loss if family != incumbent]
    elif incumbent in ranks and ranks[incumbent] > best + 3:
        assert ranks[selection.champion] < ranks[incumbent]


@given(steps, incumbents)
@law
def test_nobody_that_passes_is_better_than_the_champion_but_one_that_lost_to_another(
    ranks: dict[str, int], incumbent: str | None
) -> None:
    """Each step is a test that was won, from the incumbent or the simplest on."""
    selection = chosen(stepped(ranks), incumbent)
    place = incumbent if incumbent in ranks else min(ranks, key=FAMILIES.index)
    assert selection.first == place
    for step in selection.steps:
        assert step.other == place and step.lead > TIE
        place = step.family
    assert place == selection.champion
    assert ranks[selection.champion] <= ranks[str(selection.first)]


@given(steps, incumbents, st.data(), st.integers(1, 12))
@law
def test_a_smaller_loss_never_loses_the_place(
    ranks: dict[str, int], incumbent: str | None, data: st.DataObject, better: int
) -> None:
    champion = chosen(stepped(ranks), incumbent).champion
    after = chosen(stepped({**ranks, champion: ranks[champion] - better}), incumbent).champion
    assert after == champion


def test_equals_are_ordered_by_simplicity_without_an_incumbent() -> None:
    assert chosen(table({"lstm": 0.99, "arima": 0.99})).ranking == ("arima", "lstm")
    assert chosen(table({"lstm": 0.99, "arima": 0.99}), incumbent="gone").ranking == ("arima", "lstm")
    assert select(table({"z": 0.99, "a": 0.99}), compared(table({"z": 0.99, "a": 0.99})), ("z",)).ranking == ("z", "a")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda scores: scores[scores["family"] != "ewma"], "the baseline ewma is missing"),
        (lambda scores: scores[scores["family"].isin(list(BASELINES))], "only baselines"),
        (lambda scores: scores.drop(index=0), "^scores: lstm has no pinball .*; "),
        (
            lambda scores: scores.assign(pinball=scores["pinball"].where(scores.index != 0)),
            "^scores: lstm has no pinball .*; ",
        ),
    ],
)
def test_an_unusable_table_is_refused(spoil: object, message: str) -> None:
    scores = table({"lstm": 0.99})
    with pytest.raises(ValueError, match=message):
        select(spoil(scores), compared(scores), FAMILIES)  # type: ignore[operator]


SPOILED = [
    ("theil_u", 21, 1.0012, "(Theil's U 1.0012 at 21 days)"),
    ("coverage_80", 1, 0.826, "its 80 % interval covers 82.60 % at 1 day; 78.5 to 82.5 % is allowed"),
    ("coverage_80", 1, 0.784, "its 80 % interval covers 78.40 % at 1 day"),
    ("coverage_95", 1, 0.961, "its 95 % interval covers 96.10 % at 1 day; 94.0 to 96.0 % is allowed"),
    ("coverage_80", 21, 0.86, "its 80 % interval covers 86.00 % at 21 days; 77.0 to 85.0 % is allowed"),
    ("coverage_95", 21, 0.92, "its 95 % interval covers 92.00 % at 21 days; 93.0 to 98.0 % is allowed"),
    ("kupiec_1", 1, 0.009, "its 1 % quantile fails Kupiec's test at 1 day (p 0.009)"),
    ("christoffersen_5", 1, 0.002, "its 5 % quantile fails Christoffersen's test at 1 day (p 0.002)"),
    ("skill_ewma", None, -0.001, " EWMA(0.94)-Gaussian (skill -0.10% over 1 to 5 days)"),
]


@pytest.mark.parametrize(("column", "horizon", "value", "reason"), SPOILED)
def test_a_family_that_fails_a_gate_is_no_champion_and_says_why(
    column: str, horizon: int | None, value: float, reason: str
) -> None:
    scores = table({"lstm": 0.98, "random_walk": 0.99})
    spoiled = (scores["family"] == "lstm") & (scores["horizon"].eq(horizon) if horizon else True)
    scores[column] = scores[column].mask(spoiled, value)
    selection = chosen(scores, incumbent="lstm")
    assert selection.champion == "random_walk" and selection.challenger is None
    assert selection.ranking == ("random_walk", "lstm")
    assert len(selection.failed["lstm"]) == 1 and reason in selection.failed["lstm"][0]
    assert f"lstm cannot be champion: {selection.failed['lstm'][0]}." in summary_sentences(
        scores_of_points(scores), selection
    )


def test_what_is_worse_than_garch_by_more_than_chance_and_more_than_nothing_fails() -> None:
    scores = table({"lstm": 1.00005, "gru": 1.001})
    scores.loc[scores["family"].isin(["lstm", "gru"]), "skill_ewma"] = 0.01
    assert gates(scores, {("garch", "lstm"): (0.001, 0.001)}, "lstm") == ()
    assert [why.split(" (")[0] for why in gates(scores, {("garch", "gru"): (0.001, 0.001)}, "gru")] == [
        "worse than GARCH(1,1)-t at 1 day",
        "worse than GARCH(1,1)-t over 1 to 5 days",
    ]
    assert gates(scores, {("garch", "gru"): (0.2, 0.2)}, "gru") == ()


def test_on_few_days_chance_may_leave_the_bands() -> None:
    scores = table({"lstm": 0.98})
    own = (scores["family"] == "lstm") & (scores["horizon"] == 1)
    scores.loc[own, "coverage_80"] = 0.85
    assert gates(scores, {}, "lstm")
    scores["n"] = 450
    assert gates(scores, {}, "lstm") == ()
    scores.loc[own, "coverage_80"] = 0.90
    assert gates(scores, {}, "lstm")


def test_on_few_days_ewma_must_be_better_by_more_than_chance() -> None:
    scores = table({"lstm": 1.002}).assign(n=400)
    assert gates(scores, {("ewma", "lstm"): (0.3, 0.2)}, "lstm") == ()
    for table_of_days, p_mean in ((scores, 0.04), (scores.assign(n=4000), 0.2)):
        (reason,) = gates(table_of_days, {("ewma", "lstm"): (0.3, p_mean)}, "lstm")
        assert " EWMA(0.94)-Gaussian (skill -0.20% " in reason


def test_where_all_fail_there_is_no_champion_and_the_reasons_are_said() -> None:
    scores = table({"lstm": 0.98, "random_walk": 0.99}).assign(theil_u=1.01)
    selection = chosen(scores, incumbent="lstm")
    assert selection.passed == () and selection.aliases == {} and selection.steps == ()
    with pytest.raises(NoFamilyPassesError, match=r"nothing is published, .* lstm: its .* random_walk: its"):
        _ = selection.champion
    first, *others = summary_sentences(scores, selection)
    assert first.startswith("No family passes ")
    assert [line.split(" ")[0] for line in others] == ["random_walk", "lstm"]


def scores_of_points(scores: pd.DataFrame) -> pd.DataFrame:
    """With the columns that sentences need."""
    return scores.assign(dm_walk=np.nan, **{f"dm_{name}": 0.25 for name in BASELINES})


def full_table(
    relative: Mapping[str, float], theil_u: Sequence[float] = (1.0,) * HORIZON, dm_walk: float = np.nan
) -> pd.DataFrame:
    scores = table(relative, garch=0.9)
    scores = scores[scores["horizon"] <= HORIZON].reset_index(drop=True)
    loss = scores.pivot(index="family", columns="horizon", values="pinball")
    for baseline in BASELINES:
        own = [loss.loc[baseline, h] for h in scores["horizon"]]
        scores[f"skill_{baseline}"] = 1 - scores["pinball"] / own
        scores[f"dm_{baseline}"] = 0.25
    points = ~scores["family"].isin([*BASELINES, "random_walk"])
    scores["theil_u"] = [u if point else 1.0 for u, point in zip([*theil_u] * len(loss), points, strict=True)]
    scores["dm_walk"] = np.where(points, dm_walk, np.nan)
    return scores


def sentences(scores: pd.DataFrame, incumbent: str | None = None, p_value: float = 0.001) -> str:
    return "\n".join(summary_sentences(scores, chosen(scores, incumbent, p_value)))


def line_with(text: str, fact: str) -> str:
    """Return the only line of a text that states a fact."""
    (line,) = (line for line in text.splitlines() if fact in line)
    return line


def test_honesty_tells_the_champions_skill_against_every_baseline() -> None:
    text = sentences(full_table({"lstm": 0.8991, "random_walk": 0.9}))
    why = line_with(text, "lstm is the champion, ")
    assert not lacking(why, " of random_walk: lstm ", " random_walk by 0.0009 ", "(p 0.001 at 1 day", "0.02)")
    ahead = sentences(full_table({"lstm": 0.8991, "random_walk": 0.9}), incumbent="lstm")
    assert "lstm is the champion, ahead of random_walk by 0.0009" in ahead
    assert " +14.37% " in line_with(text, " (constant)")
    assert " +10.09% " in line_with(text, "EWMA(0.94)-Gaussian (ewma)")
    garch = line_with(text, "GARCH(1,1)-t (garch)")
    assert " +0.10% " in garch and "+0.10% at 1 day (p 0.25), +0.10% at 5 days (p 0.25)" in garch


def test_honesty_tells_a_champion_that_is_worse_than_a_baseline_and_a_tie() -> None:
    text = sentences(full_table({"lstm": 0.96, "random_walk": 0.96005}), incumbent="random_walk", p_value=0.2)
    why = line_with(text, "random_walk is the champion")
    assert " in a tie: lstm is within 0.000050 " in why
    assert " -6.67% " in line_with(text, "GARCH(1,1)-t (garch)")
    assert "only family" in line_with(sentences(full_table({"lstm": 0.9})), "lstm is the champion: ")


def test_honesty_follows_the_numbers_on_what_random_walk_is() -> None:
    same = line_with(sentences(full_table({"random_walk": 0.9001}), p_value=0.2), "by construction")
    assert same.startswith("random_walk ") and " garch (-0.0111%) " in same
    other = line_with(sentences(full_table({"random_walk": 0.92}), p_value=0.2), " differs from garch ")
    assert other.startswith("random_walk ") and " -2.22%: " in other
    assert "by construction" not in sentences(full_table({"lstm": 0.9}))


def test_honesty_follows_the_numbers_on_point_forecasts() -> None:
    mixed = (1.0, 0.9992, 1.001, 1.002, 1.003)
    families = {"lstm": 0.9, "random_walk": 0.9}
    neither = sentences(full_table(families, mixed, dm_walk=0.3))
    line = line_with(neither, "Point forecasts ")
    assert not lacking(line, "do not beat", "Theil's U 0.9992 (lstm at 2 days, ", " 0 significantly worse of 5 tries")
    worse = sentences(full_table(families, (1.01,) * HORIZON, dm_walk=0.001))
    assert not lacking(worse, "do not beat", "Theil's U 1.0100 (lstm at 1 day, ", " 5 significantly worse of 5 tries")
    better = sentences(full_table(families, (0.98,) * HORIZON, dm_walk=0.001))
    line = line_with(better, "Point forecasts: ")
    assert not lacking(line, "lstm beat ", "Theil's U 0.9800 (lstm at 1 day, ", "; 5 better and 0 worse of 5 tries")
    assert "do not beat" not in better
    lucky = sentences(full_table(families, (0.98,) * HORIZON, dm_walk=0.04))
    assert "do not beat" in lucky, "five tries at 0.04 are no finding"


def test_honesty_says_when_no_family_forecasts_a_move() -> None:
    assert line_with(sentences(full_table({"random_walk": 0.9})), "Point forecasts: no family ")
