"""The Kolmogorov-Smirnov test of one score."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from driftline.metrics.ks import ks_test

FLOATS = st.floats(-1e9, 1e9)


@settings(deadline=None, max_examples=50)
@given(st.lists(FLOATS, min_size=1, max_size=30), st.lists(FLOATS, min_size=1, max_size=30))
def test_it_agrees_with_scipy_and_stays_in_range(old: list[float], new: list[float]) -> None:
    found = ks_test(old, new)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # "Exact calculation unsuccessful"
        peer = stats.ks_2samp(old, new, method="exact")
    assert found.statistic == pytest.approx(peer.statistic)
    assert found.p_value == pytest.approx(min(1.0, peer.pvalue))
    assert 0.0 <= found.statistic <= 1.0
    assert 0.0 < found.p_value <= 1.0


def test_without_a_change_it_rejects_no_more_often_than_it_says() -> None:
    rng = np.random.default_rng(1)
    p = [ks_test(rng.standard_cauchy(60), rng.standard_cauchy(40)).p_value for _ in range(400)]
    low, high = stats.binom.ppf([1e-4, 1 - 1e-4], 400, 0.05)
    assert low * 0.6 <= sum(value <= 0.05 for value in p) <= high  # discrete: somewhat below


def test_tied_values_make_it_conservative_not_liberal() -> None:
    rng = np.random.default_rng(2)
    p = [ks_test(rng.integers(0, 2, 60), rng.integers(0, 2, 40)).p_value for _ in range(300)]
    assert sum(value <= 0.05 for value in p) <= stats.binom.ppf(1 - 1e-4, 300, 0.05)


def test_a_rising_transformation_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    old, new = rng.lognormal(size=80), rng.lognormal(0.4, size=70)
    assert ks_test(old, new).p_value == ks_test(np.log(old), np.log(new)).p_value


def test_it_says_which_side_is_higher_and_where_they_differ_most() -> None:
    found = ks_test([1, 2, 3, 4], [11, 12, 13])
    assert found.higher
    assert found.cut == 4
    assert not ks_test([11, 12, 13], [1, 2, 3, 4]).higher
    assert (found.reference_median, found.current_median) == (2.5, 12.0)


def test_overwhelming_evidence_is_tiny_but_not_zero() -> None:
    assert 0.0 < ks_test(np.zeros(5000), np.ones(5000)).p_value < 1e-200
