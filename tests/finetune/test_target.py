"""The paired comparison on held-out rows."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.finetune.target import Likelihood, compare, perplexity, target_check

ROWS = st.lists(
    st.tuples(st.floats(0.1, 500), st.floats(0.1, 500), st.integers(1, 200)),
    min_size=5,
    max_size=40,
)


def likelihoods(
    rng: np.random.Generator, shift: float
) -> tuple[list[Likelihood], list[Likelihood]]:
    """20 rows that differ much from one another, and a little, by `shift`, from before to after."""
    tokens = rng.integers(20, 200, 20)
    level = rng.normal(2.0, 0.6, 20)
    change = rng.normal(shift, 0.05, 20)
    before = [(float(x * n), int(n)) for x, n in zip(level, tokens, strict=True)]
    after = [(float(x * n), int(n)) for x, n in zip(level + change, tokens, strict=True)]
    return before, after


def test_a_small_even_gain_passes_although_rows_differ_much() -> None:
    check = target_check(compare(*likelihoods(np.random.default_rng(1), -0.08), seed=7))
    assert check.passed and check.hard
    assert check.value is not None and check.baseline is not None and check.value < check.baseline


@pytest.mark.parametrize("shift", [0.0, 0.05])
def test_no_gain_or_a_loss_fails(shift: float) -> None:
    check = target_check(compare(*likelihoods(np.random.default_rng(2), shift), seed=7))
    assert not check.passed
    assert "not surely better" in check.words


def test_one_lucky_row_is_not_enough() -> None:
    before = [(200.0, 100)] * 12
    after = [(100.0, 100), *[(200.0, 100)] * 11]
    result = compare(before, after, seed=7)
    assert result.perplexity_after < result.perplexity_before
    assert not target_check(result).passed


@given(ROWS)
def test_the_interval_is_around_the_mean_and_swapping_sides_mirrors_it(
    rows: list[tuple[float, float, int]],
) -> None:
    before = [(b, n) for b, _, n in rows]
    after = [(a, n) for _, a, n in rows]
    there, back = compare(before, after, seed=3), compare(after, before, seed=3)
    slack = 1e-9 + 1e-9 * abs(there.difference)
    assert there.low - slack <= there.difference <= there.high + slack
    assert math.isclose(there.difference, -back.difference, abs_tol=1e-9)
    assert math.isclose(there.low, -back.high, rel_tol=1e-6, abs_tol=1e-9)


def test_an_unchanged_model_never_passes_by_chance_more_often_than_it_should() -> None:
    rng = np.random.default_rng(5)
    passed = [target_check(compare(*likelihoods(rng, 0.0), seed=i)).passed for i in range(200)]
    assert sum(passed) / 200 <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / 200) + 0.02  # 20 rows are few


def test_perplexity_weighs_tokens_not_rows() -> None:
    assert perplexity([(0.0, 90), (10 * math.log(16), 10)]) == pytest.approx(16**0.1)
