"""The paired bootstrap: its intervals hold what they should, as often as they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alambique.tasks.bootstrap import (
    Floats,
    difference,
    differences,
    pack_fractions,
    ratio,
    resampled_scores,
    score_interval,
    unpack_fractions,
)

SEEDS = st.integers(1, 4)


@st.composite
def fractions(draw: st.DrawFn, seeds: int = 1, examples: int = 12) -> Floats:
    """Hits among some words of each example."""
    below = draw(arrays(np.int64, (seeds, examples), elements=st.integers(1, 9)))
    part = draw(arrays(np.float64, (seeds, examples), elements=st.floats(0, 1)))
    return np.stack([np.floor(below * part), below], axis=2).astype(np.float64)


def hits(random: np.random.Generator, seeds: int, examples: int, rate: float) -> Floats:
    """Examples that are right or wrong."""
    found = (random.random((seeds, examples)) < rate).astype(np.float64)
    return np.stack([found, np.ones_like(found)], axis=2)


@given(fractions(seeds=2))
@settings(max_examples=25)
def test_a_model_is_no_better_than_itself(ours: Floats) -> None:
    found = difference(ours, ours, draws=200)
    assert (found.value, found.low, found.high) == (0, 0, 0)
    assert found.holds_zero


@given(fractions(seeds=3), fractions(seeds=3))
@settings(max_examples=25)
def test_the_difference_turns_its_sign_with_the_models(ours: Floats, theirs: Floats) -> None:
    one, other = difference(ours, theirs, draws=300), difference(theirs, ours, draws=300)
    np.testing.assert_allclose(
        [one.value, one.low, one.high], [-other.value, -other.high, -other.low], atol=1e-12
    )


@given(fractions(seeds=2))
@settings(max_examples=25)
def test_the_interval_of_a_score_stays_within_what_seeds_and_examples_give(ours: Floats) -> None:
    found = score_interval(ours, draws=200)
    assert found.value == pytest.approx(np.mean([ratio(one) for one in ours]))
    assert found.low <= found.high


def test_the_same_examples_are_drawn_for_all_models_and_each_time() -> None:
    ours = hits(np.random.default_rng(0), 2, 300, 0.7)
    alone = resampled_scores([ours], draws=500)[0]
    theirs, again = resampled_scores([hits(np.random.default_rng(1), 3, 300, 0.4), ours], draws=500)
    np.testing.assert_allclose(alone, again, rtol=1e-12)
    assert theirs.shape == (500, 3)
    assert score_interval(ours) == score_interval(ours)


def test_a_resampled_f1_is_that_of_the_examples_themselves() -> None:
    """Against scores of examples that are really taken one by one."""
    ours = hits(np.random.default_rng(3), 1, 7, 0.5)
    (drawn,) = resampled_scores([ours], draws=64)
    random = np.random.default_rng(7)
    chosen = random.integers(7, size=(64, 7))
    expected = [ours[0, some, 0].sum() / ours[0, some, 1].sum() for some in chosen]
    np.testing.assert_allclose(drawn[:, 0], expected, rtol=1e-12)


def learnt(
    random: np.random.Generator, difficulty_E: Floats, seeds: int, skill: float, spread: float
) -> Floats:
    """Examples that are right where the skill of a seed, and luck, outdo their difficulty."""
    skill_S1 = random.normal(skill, spread, (seeds, 1))
    luck_SE = random.normal(0, 0.3, (seeds, len(difficulty_E)))
    found_SE = (skill_S1 + luck_SE > difficulty_E).astype(np.float64)
    return np.stack([found_SE, np.ones_like(found_SE)], axis=2)


@pytest.mark.parametrize(
    ("seeds", "spread"), [(1, 0.0), (2, 0.15), (3, 0.15), (5, 0.15), (8, 0.15)]
)
def test_intervals_hold_the_true_difference_about_as_often_as_they_say(
    seeds: int, spread: float
) -> None:
    """Of 200 experiments on fresh examples, whose difficulty all seeds and both models meet."""
    random, draws = np.random.default_rng(seeds), 250
    many_E = random.normal(0, 1, 50_000)
    both = [learnt(random, many_E, 40, skill, spread) for skill in (0.5, 0.2)]
    true = ratio(both[0].reshape(-1, 2)) - ratio(both[1].reshape(-1, 2))
    held = 0
    for _ in range(200):
        difficulty_E = random.normal(0, 1, 250)
        ours = learnt(random, difficulty_E, seeds, 0.5, spread)
        theirs = learnt(random, difficulty_E, seeds, 0.2, spread)
        found = difference(ours, theirs, draws=draws)
        held += found.low <= true <= found.high
    assert 0.85 <= held / 200 <= 0.99


def test_one_seed_gives_an_interval_over_examples_alone() -> None:
    ours = hits(np.random.default_rng(0), 1, 400, 0.7)
    found = score_interval(ours)
    assert found.seeds == 1
    assert found.half_width == pytest.approx(1.96 * np.sqrt(0.7 * 0.3 / 400), rel=0.1)


@given(fractions(seeds=1))
@settings(max_examples=25)
def test_what_is_packed_is_unpacked(ours: Floats) -> None:
    np.testing.assert_array_equal(unpack_fractions(pack_fractions(ours[0])), ours[0])
    with pytest.raises(ValueError, match="no packed example scores"):
        unpack_fractions(b"nothing")


def test_no_denominator_is_no_score() -> None:
    nothing = np.zeros((1, 5, 2))
    assert ratio(nothing[0]) == 0
    assert score_interval(nothing, draws=50).value == 0


def test_pairs_that_are_drawn_together_give_what_each_gives_alone() -> None:
    random = np.random.default_rng(0)
    pairs = [
        (hits(random, seeds, examples, 0.6), hits(random, seeds, examples, 0.5))
        for seeds, examples in ((2, 50), (1, 40), (3, 50))
    ]
    alone = [difference(*pair, draws=300) for pair in pairs]
    for one, other in zip(differences(pairs, draws=300), alone, strict=True):
        np.testing.assert_allclose(
            [one.value, one.low, one.high], [other.value, other.low, other.high], rtol=1e-9
        )
    assert differences([]) == []


def test_models_of_other_examples_are_refused() -> None:
    random = np.random.default_rng(0)
    with pytest.raises(ValueError, match="same seeds and examples"):
        difference(hits(random, 1, 10, 0.5), hits(random, 1, 11, 0.5))
