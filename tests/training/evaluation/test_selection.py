"""Selection is a pure function of the score table: its laws, and sentences that follow the numbers."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.evaluation.baselines import BASELINES
from training.evaluation.selection import TIE, honesty, relative_pinball, select
from training.prices.windows import HORIZON

law = settings(deadline=None, max_examples=100)

EWMA = (0.0811, 0.1144, 0.1394, 0.1609, 0.1804)
FAMILIES = ("arima", "gru", "linear_regression", "lstm", "random_walk")

# Relative pinball in steps of a third of a tie, so that ties are common and never decided by rounding.
STEP = TIE / 3
steps = st.dictionaries(st.sampled_from(FAMILIES), st.integers(-9, 9), min_size=1)
incumbents = st.sampled_from([None, "unknown", *FAMILIES])


def table(relative: Mapping[str, float]) -> pd.DataFrame:
    """Scores of families whose pinball is `relative` times EWMA's at every horizon, and of the baselines."""
    factors = {**relative, "constant": 1.05, "ewma": 1.0, "garch": 0.9}
    return pd.DataFrame(
        [
            {"family": family, "horizon": h + 1, "pinball": factor * EWMA[h]}
            for family, factor in factors.items()
            for h in range(HORIZON)
        ]
    )


def stepped(ranks: Mapping[str, int]) -> pd.DataFrame:
    return table({family: 1 + STEP * step for family, step in ranks.items()})


def test_relative_pinball_equals_a_loop_and_leaves_the_baselines_out() -> None:
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
    selection = select(table({"arima": 0.995, "lstm": 0.99, "linear_regression": 1.0, "random_walk": 0.993}))
    assert selection.ranking == ("lstm", "random_walk", "arima", "linear_regression")
    assert (selection.champion, selection.challenger, selection.candidate) == ("lstm", "random_walk", "arima")
    assert selection.aliases == {"champion": "lstm", "challenger": "random_walk", "candidate": "arima"}
    assert not selection.tie


def test_a_single_family_is_champion_without_a_challenger() -> None:
    selection = select(table({"random_walk": 1.2}), incumbent="lstm")
    assert (selection.champion, selection.challenger, selection.candidate) == ("random_walk", None, None)
    assert selection.aliases == {"champion": "random_walk"}


def test_the_random_walk_wins_when_nothing_beats_it() -> None:
    assert select(table({"lstm": 1.01, "random_walk": 0.995, "arima": 0.996})).champion == "random_walk"


@given(steps, incumbents, st.randoms(use_true_random=False))
@law
def test_the_order_of_the_rows_does_not_matter(ranks: dict[str, int], incumbent: str | None, random: object) -> None:
    scores = stepped(ranks)
    order = list(range(len(scores)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert select(scores.iloc[order], incumbent) == select(scores, incumbent)


@given(steps, incumbents)
@law
def test_every_family_has_one_rank_and_baselines_have_none(ranks: dict[str, int], incumbent: str | None) -> None:
    selection = select(stepped(ranks), incumbent)
    assert sorted(selection.ranking) == sorted(ranks)
    assert set(selection.relative) == set(ranks)


@given(steps, incumbents)
@law
def test_the_incumbent_keeps_a_tie_and_nothing_else(ranks: dict[str, int], incumbent: str | None) -> None:
    selection = select(stepped(ranks), incumbent)
    best = min(ranks.values())
    by_loss = sorted(ranks, key=lambda family: (round(selection.relative[family], 12), family))
    if incumbent in ranks and ranks[incumbent] <= best + 2:  # two thirds of a tie; three are its rounded limit
        assert selection.champion == incumbent
        assert list(selection.ranking[1:]) == [family for family in by_loss if family != incumbent]
    elif incumbent not in ranks or ranks[incumbent] > best + 3:
        assert ranks[selection.champion] == best
        assert [ranks[family] for family in selection.ranking] == sorted(ranks.values())


@given(steps, incumbents, st.data(), st.integers(1, 12))
@law
def test_a_smaller_loss_never_lowers_a_rank(
    ranks: dict[str, int], incumbent: str | None, data: st.DataObject, better: int
) -> None:
    family = data.draw(st.sampled_from(sorted(ranks)))
    before = select(stepped(ranks), incumbent).ranking.index(family)
    after = select(stepped({**ranks, family: ranks[family] - better}), incumbent).ranking.index(family)
    assert after <= before


def test_equals_are_ordered_by_name_without_an_incumbent() -> None:
    assert select(table({"lstm": 0.99, "arima": 0.99})).ranking == ("arima", "lstm")
    assert select(table({"lstm": 0.99, "arima": 0.99}), incumbent="gone").ranking == ("arima", "lstm")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda scores: scores[scores["family"] != "ewma"], "the baseline ewma is missing"),
        (lambda scores: scores[scores["family"].isin(list(BASELINES))], "only baselines"),
        (lambda scores: scores.drop(index=0), "lstm has no pinball loss"),
        (lambda scores: scores.assign(pinball=scores["pinball"].where(scores.index != 0)), "lstm has no pinball"),
    ],
)
def test_an_unusable_table_is_refused(spoil: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        select(spoil(table({"lstm": 0.99})))  # type: ignore[operator]


def full_table(
    relative: Mapping[str, float], theil_u: Sequence[float] = (1.0,) * HORIZON, dm_walk: float = np.nan
) -> pd.DataFrame:
    scores = table(relative)
    loss = scores.pivot(index="family", columns="horizon", values="pinball")
    for baseline in BASELINES:
        own = [loss.loc[baseline, h] for h in scores["horizon"]]
        scores[f"skill_{baseline}"] = 1 - scores["pinball"] / own
        scores[f"dm_{baseline}"] = 0.25
    points = ~scores["family"].isin([*BASELINES, "random_walk"])
    scores["theil_u"] = [u if point else 1.0 for u, point in zip([*theil_u] * len(loss), points, strict=True)]
    scores["dm_walk"] = np.where(points, dm_walk, np.nan)
    return scores


def sentences(scores: pd.DataFrame, incumbent: str | None = None) -> str:
    return "\n".join(honesty(scores, select(scores, incumbent)))


def test_honesty_tells_the_champions_skill_against_every_baseline() -> None:
    text = sentences(full_table({"lstm": 0.8991, "random_walk": 0.9}))
    assert "lstm is the champion, ahead of random_walk by 0.0009" in text
    assert "skill of +14.37% in pinball loss against a constant-variance random walk (constant)" in text
    assert "skill of +10.09% in pinball loss against EWMA(0.94)-Gaussian (ewma)" in text
    assert "skill of +0.10% in pinball loss against GARCH(1,1)-t (garch)" in text
    assert "+0.10% at 1 day (p 0.25), +0.10% at 5 days (p 0.25)" in text


def test_honesty_tells_a_champion_that_is_worse_than_a_baseline_and_a_tie() -> None:
    text = sentences(full_table({"lstm": 0.96, "random_walk": 0.96005}), incumbent="random_walk")
    assert "random_walk is the champion in a tie: lstm is within 0.000050" in text
    assert "skill of -6.67% in pinball loss against GARCH(1,1)-t" in text
    assert "it is the only family" in sentences(full_table({"lstm": 0.9}))


def test_honesty_follows_the_numbers_on_what_random_walk_is() -> None:
    assert "is GARCH-t by construction, so its skill against garch (-0.0111%)" in sentences(
        full_table({"random_walk": 0.9001})
    )
    assert "it is not GARCH-t here" in sentences(full_table({"random_walk": 0.92}))
    assert "by construction" not in sentences(full_table({"lstm": 0.9}))


def test_honesty_follows_the_numbers_on_point_forecasts() -> None:
    mixed = (1.0, 0.9992, 1.001, 1.002, 1.003)
    families = {"lstm": 0.9, "random_walk": 0.9}
    neither = sentences(full_table(families, mixed, dm_walk=0.3))
    assert "Point forecasts do not beat the random walk: the best has Theil's U 0.9992 (lstm at 2 days" in neither
    assert "none is significantly better and 0 significantly worse of 5 tries" in neither
    worse = sentences(full_table(families, (1.01,) * HORIZON, dm_walk=0.001))
    assert "none is significantly better and 5 significantly worse of 5 tries" in worse
    better = sentences(full_table(families, (0.98,) * HORIZON, dm_walk=0.001))
    assert "lstm beat the random walk significantly, at best Theil's U 0.9800 (lstm at 1 day" in better
    assert "do not beat" not in better
    lucky = sentences(full_table(families, (0.98,) * HORIZON, dm_walk=0.04))
    assert "do not beat" in lucky, "five tries at 0.04 are no finding"


def test_honesty_says_when_no_family_forecasts_a_move() -> None:
    assert "no family forecasts anything but the random walk" in sentences(full_table({"random_walk": 0.9}))
