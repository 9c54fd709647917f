"""The nearest-neighbour novelty test."""

import numpy as np
import pytest
from scipy import stats

from driftline.metrics.novelty import NoveltyTest, novelty_test


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def diffuse(rng: np.random.Generator, n: int, d: int = 60) -> np.ndarray:
    """Traffic in which everything is far from everything."""
    return unit(rng.normal(size=(n, d)))


def one_topic(rng: np.random.Generator, n: int, spread: float, d: int = 60) -> np.ndarray:
    centre = np.zeros(d)
    centre[0] = 1.0
    return unit(centre + spread * diffuse(rng, n, d))


def result_of(old: np.ndarray, new: np.ndarray, seed: int = 0) -> NoveltyTest:
    return novelty_test(old, new, seed=seed)


@pytest.mark.parametrize("spread", [0.2, None], ids=["one topic", "diffuse"])
def test_without_a_change_it_rejects_no_more_often_than_it_says(spread: float | None) -> None:
    rng = np.random.default_rng(1)

    def draw(n: int) -> np.ndarray:
        return diffuse(rng, n) if spread is None else one_topic(rng, n, spread)

    p = [result_of(draw(80), draw(50), seed).p_value for seed in range(300)]
    for alpha in (0.05, 0.2):
        assert sum(v <= alpha for v in p) <= stats.binom.ppf(1 - 1e-4, 300, alpha)
    assert sum(v <= 0.5 for v in p) > 30  # it is not merely never rejecting


def test_rows_unlike_any_of_the_reference_are_found_and_ranked_first() -> None:
    rng = np.random.default_rng(2)
    old, usual = one_topic(rng, 200, 0.3), one_topic(rng, 48, 0.3)
    found = result_of(old, np.concatenate([usual, -one_topic(rng, 12, 3.0)]))
    assert found.p_value < 0.001
    assert found.current_share - found.reference_share > 0.15
    assert set(np.argsort(-found.current_scores)[:5]) <= set(range(48, 60))


def test_a_new_group_is_found_where_everything_is_far_from_everything() -> None:
    rng = np.random.default_rng(3)
    old = diffuse(rng, 200)
    found = result_of(old, np.concatenate([diffuse(rng, 40), one_topic(rng, 20, 0.7)]))
    assert found.view == "group"
    assert found.p_value < 0.001
    assert set(np.argsort(-found.current_scores)[:5]) <= set(range(40, 60))


def test_the_sides_shares_are_of_their_own_rows() -> None:
    rng = np.random.default_rng(4)
    found = result_of(diffuse(rng, 100), diffuse(rng, 70))
    assert found.tail_rows == round(found.current_share * 70)
    in_tail = found.tail_rows + round(found.reference_share * 50)
    assert in_tail == 12  # a tenth of the 50 calibration and 70 current rows


def test_p_lies_in_its_range_for_duplicates_and_for_nothing_in_common() -> None:
    same = np.ones((40, 4))
    assert result_of(same, same).p_value == 1.0
    assert 0.0 < result_of(same, -same).p_value < 1e-3


def test_the_same_seed_gives_the_same_result() -> None:
    rng = np.random.default_rng(5)
    old, new = diffuse(rng, 60), diffuse(rng, 60)
    assert result_of(old, new, 7).p_value == result_of(old, new, 7).p_value


def test_large_sides_are_thinned_and_left_out_rows_have_no_score() -> None:
    rng = np.random.default_rng(6)
    found = result_of(diffuse(rng, 50, 2), diffuse(rng, 2100, 2))
    assert np.isnan(found.current_scores).sum() == 100
