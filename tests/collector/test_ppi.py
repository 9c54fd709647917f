"""Prediction-powered inference against its formulas and against chance."""

import numpy as np
import pytest
from numpy.typing import NDArray

from driftline.collector.ppi import Sums, power, prediction_powered, predictions_only, student

Numbers = NDArray[np.float64]


def sums(f: Numbers, y: Numbers, w: Numbers | None = None) -> Sums:
    w = np.ones(len(f)) if w is None else w
    squares = w * w
    parts = (w, w * f, w * y, squares, squares * f, squares * y)
    more = (squares * f * f, squares * f * y, squares * y * y)
    return Sums(len(f), *(float(part.sum()) for part in (*parts, *more)))


def world(rng: np.random.Generator, n: int, rate: float, shift: float) -> tuple[Numbers, Numbers]:
    """Labels, and a detector that is right about them more often than not but says too much."""
    y = (rng.random(n) < rate).astype(float)
    logit = np.log(rate / (1 - rate)) + 1.35 * (rng.normal(size=n) + 1.35 * y) - 1.35**2 / 2
    return 1 / (1 + np.exp(-logit - shift)), y


def test_the_estimate_is_the_formula_of_the_paper() -> None:
    rng = np.random.default_rng(3)
    f, y = world(rng, 200, 0.3, 0.0)
    rest, _ = world(rng, 400, 0.3, 0.0)
    labelled, others = sums(f, y), sums(rest, 0 * rest)
    trust = power(labelled, others)
    expected = np.cov(f, y)[0, 1] / (np.var(f, ddof=1) + np.var(rest, ddof=1) * 200 / 400)
    assert trust == pytest.approx(expected, rel=1e-9)
    found = prediction_powered(labelled, others)
    assert found.estimate == pytest.approx(trust * rest.mean() + (y - trust * f).mean(), abs=0.003)


def test_sums_with_one_more_row_are_the_sums_of_all_rows() -> None:
    rng = np.random.default_rng(4)
    f, y = world(rng, 9, 0.5, 0.0)
    w = rng.uniform(1, 5, 9)
    grown = sums(f[:8], y[:8], w[:8]).plus(w[8], f[8], y[8])
    for name in Sums.__slots__:
        assert getattr(grown, name) == pytest.approx(getattr(sums(f, y, w), name))


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_the_interval_covers_the_rate_though_the_detector_says_too_much(rate: float) -> None:
    rng, trials = np.random.default_rng(5), 300
    covered = fooled = 0
    width = alone = 0.0
    for _ in range(trials):
        labelled, rest = sums(*world(rng, 100, rate, 1.0)), sums(*world(rng, 2000, rate, 1.0))
        found, trusting = prediction_powered(labelled, rest), predictions_only(rest)
        covered += found.low <= rate <= found.high
        fooled += trusting.low <= rate <= trusting.high
        width += found.high - found.low
        without = prediction_powered(labelled, Sums())
        alone += without.high - without.low
    assert covered / trials > 0.92
    assert fooled == 0
    assert width < alone


def test_predictions_that_say_nothing_are_not_used() -> None:
    rng = np.random.default_rng(6)
    y = (rng.random(100) < 0.3).astype(float)
    labelled, rest = sums(np.full(100, 0.4), y), sums(np.full(1000, 0.4), np.zeros(1000))
    assert power(labelled, rest) == 0
    assert prediction_powered(labelled, rest).estimate == y.mean()


def test_labels_that_are_all_negative_still_leave_doubt() -> None:
    f = np.linspace(0.01, 0.2, 40)
    found = prediction_powered(sums(f, 0 * f), sums(np.tile(f, 20), np.zeros(800)))
    assert found.low == 0 and 0.05 < found.high < 0.25


def test_a_row_of_weight_three_is_three_rows_to_the_estimate_and_fewer_to_the_interval() -> None:
    rng = np.random.default_rng(7)
    f, y = world(rng, 60, 0.3, 0.0)
    w = np.where(y == 1, 3.0, 1.0)
    weighted = prediction_powered(sums(f, y, w), Sums())
    repeated = prediction_powered(
        sums(np.repeat(f, w.astype(int)), np.repeat(y, w.astype(int))), Sums()
    )
    assert weighted.estimate == pytest.approx(repeated.estimate)
    assert weighted.high - weighted.low > repeated.high - repeated.low


def test_students_t() -> None:
    assert student(10) == pytest.approx(2.228, abs=0.005)
    assert student(1e9) == pytest.approx(1.960, abs=0.001)
