"""Holm's correction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.metrics.multiplicity import holm

P_VALUES = st.lists(st.floats(1e-12, 1.0), min_size=1, max_size=20)


def test_it_gives_the_values_of_r() -> None:
    """R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") -> 0.03 0.06 0.06 0.02."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(P_VALUES)
def test_adjusted_values_keep_the_order_and_lie_between_p_and_bonferroni(p: list[float]) -> None:
    adjusted = holm(p)
    for value, raw in zip(adjusted, p, strict=True):
        assert raw <= value <= min(1.0, raw * len(p)) + 1e-15
    order = np.argsort(p, kind="stable")
    assert all(np.diff(np.array(adjusted)[order]) >= 0)


@given(P_VALUES, st.randoms(use_true_random=False))
def test_the_order_in_which_the_tests_come_does_not_matter(p: list[float], random) -> None:  # type: ignore[no-untyped-def]
    places = list(range(len(p)))
    random.shuffle(places)
    adjusted = holm(p)
    assert holm([p[i] for i in places]) == [adjusted[i] for i in places]


def test_nothing_to_correct_is_no_error() -> None:
    assert holm([]) == []
    assert holm([0.2]) == [0.2]


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.1, float("nan")])
def test_what_is_no_p_value_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match=r"\(0, 1\]"):
        holm([0.5, bad])


def test_with_five_true_nulls_any_rejection_is_as_rare_as_alpha() -> None:
    rng = np.random.default_rng(4)
    alarms = sum(min(holm(list(rng.uniform(1e-12, 1, 5)))) <= 0.05 for _ in range(2000))
    assert 60 <= alarms <= 140  # binomial(2000, 0.05): 100 +- 4 standard deviations
