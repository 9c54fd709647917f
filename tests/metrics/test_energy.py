"""The energy distance and its permutation test."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from driftline.metrics.energy import EnergyTest, distances, energy_distance, energy_test, witness

ALPHA = 0.1


def sample(seed: int, n: int, shift: float = 0.0, d: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(loc=shift, size=(n, d))


def result_of(x: np.ndarray, y: np.ndarray, permutations: int = 199, seed: int = 0) -> EnergyTest:
    return energy_test(x, y, permutations=permutations, seed=seed)


def test_in_one_dimension_it_is_the_square_of_scipys() -> None:
    x, y = sample(1, 40, d=1), sample(2, 55, 0.7, d=1)
    expected = stats.energy_distance(x[:, 0], y[:, 0]) ** 2
    assert energy_distance(x, y) == pytest.approx(expected, rel=1e-9)


def test_it_gives_the_published_value_of_frouros() -> None:
    """frouros tests/unit/data_drift: N(1, 1) against N(5, 2), seed 31 each, n=100 -> 2.11059982."""
    np.random.seed(31)
    x = np.random.normal(1, 1, 100)
    np.random.seed(31)
    y = np.random.normal(5, 2, 100)
    assert np.sqrt(energy_distance(x[:, None], y[:, None])) == pytest.approx(2.11059982, abs=1e-8)


def test_the_test_reports_the_same_statistic_as_the_plain_definition() -> None:
    x, y = sample(3, 30), sample(4, 50, 0.3)
    assert result_of(x, y).statistic == pytest.approx(energy_distance(x, y), rel=1e-9)


def test_distances_are_those_of_the_definition() -> None:
    x, y = sample(5, 4), sample(6, 3)
    slow = np.array([[np.linalg.norm(a - b) for b in y] for a in x])
    np.testing.assert_allclose(distances(x, y), slow, rtol=1e-9)


def test_without_a_change_it_rejects_as_often_as_it_says() -> None:
    """300 windows at level 0.1: the count is binomial; the bounds hold with 0.9998."""
    rng = np.random.default_rng(7)
    p = [
        energy_test(
            rng.normal(size=(25, 4)), rng.normal(size=(35, 4)), permutations=99, seed=trial
        ).p_value
        for trial in range(300)
    ]
    low, high = stats.binom.ppf([1e-4, 1 - 1e-4], 300, ALPHA)
    assert low <= sum(value <= ALPHA for value in p) <= high


def test_p_is_never_zero_and_at_most_one() -> None:
    assert result_of(sample(1, 40), sample(2, 40, 5.0), 99).p_value == pytest.approx(1 / 100)
    same = np.ones((40, 3))
    assert result_of(same, same, 99).p_value == 1.0


def test_duplicated_rows_are_ties_and_count_against_a_change() -> None:
    x = np.repeat(sample(1, 10), 4, axis=0)
    assert result_of(x, x).p_value == 1.0


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_the_rows_does_not_change_the_statistic(seed: int) -> None:
    x, y = sample(seed, 20), sample(seed + 1, 30, 0.2)
    rng = np.random.default_rng(seed)
    shuffled = result_of(rng.permutation(x), rng.permutation(y), 9)
    assert shuffled.statistic == pytest.approx(result_of(x, y, 9).statistic, abs=1e-9)
    assert shuffled.effect == pytest.approx(result_of(x, y, 9).effect, abs=1e-9)


def test_the_sides_can_be_exchanged() -> None:
    x, y = sample(1, 30), sample(2, 50, 0.4)
    assert result_of(x, y).statistic == pytest.approx(result_of(y, x).statistic)


def test_a_larger_shift_has_a_larger_effect_between_zero_and_one() -> None:
    effects = [result_of(sample(1, 60), sample(2, 60, s), 9).effect for s in (0, 0.5, 1, 2, 50)]
    assert effects == sorted(effects)
    assert 0.0 <= effects[0] < 0.02
    assert 0.9 < effects[-1] <= 1.0


def test_the_effect_of_no_change_does_not_grow_in_small_samples() -> None:
    """The plain coefficient would be about (1/n + 1/m) / 2 = 0.03 here."""
    effects = [result_of(sample(2 * s, 30), sample(2 * s + 1, 30), 1).effect for s in range(50)]
    assert float(np.mean(effects)) < 0.01


def test_the_same_seed_gives_the_same_p_value() -> None:
    x, y = sample(1, 40), sample(2, 40, 0.2)
    assert result_of(x, y, seed=5) == result_of(x, y, seed=5)
    assert len({result_of(x, y, seed=seed).p_value for seed in range(5)}) > 1


def test_large_sides_are_thinned_and_still_tested() -> None:
    x, y = sample(1, 1500, d=2), sample(2, 1200, 0.5, d=2)
    assert result_of(x, y, 19).p_value == pytest.approx(1 / 20)


def test_the_witness_is_highest_for_the_rows_that_only_the_second_side_has() -> None:
    x = sample(1, 50)
    y = np.concatenate([sample(2, 45), sample(3, 5, 6.0)])
    assert set(np.argsort(-witness(x, y))[:5]) == set(range(45, 50))
