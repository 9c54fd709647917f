"""Do the current rows hold something that the reference does not know? A nearest-neighbour test.

The reference is split at random into an index and a calibration half. Every calibration and
current row gets a score from the index and from the *pooled* calibration and current rows, without
regard to the side it is of. Under the null hypothesis those rows are exchangeable given the index,
so the number of current rows among the highest tenth of the scores is hypergeometric: exactly, at
any sample size, whatever the score. Two scores are used and the smaller p-value is doubled
(Bonferroni), since what is new may be scattered or a group:

    far    distance to the nearest row of the index: prompts unlike any that was seen
    group  distance to the 5th nearest row of the index, less that to the 5th nearest pooled row:
           prompts alike among themselves, in a region where the index is thin

`group` is there for diverse traffic, in which everything is far from everything and `far` is blind;
docs/drift.md has the power of both. `far` is the novelty score of Bates, Candès, Lei, Romano &
Sesia, "Testing for outliers with conformal p-values", Ann. Stat. 51 (2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from .energy import distances

Numbers = NDArray[np.float64]
View = Literal["far", "group"]

TAIL = 0.1
NEIGHBOUR = 5
MAX_ROWS = 2000  # a side: bounds a distance matrix to 3000 x 3000 doubles = 72 MB


@dataclass(frozen=True, slots=True)
class NoveltyTest:
    """What the view with the smaller p-value found.

    current_share, reference_share: the shares of the current and calibration rows in the tail.
    current_scores: [m], for ranking the current rows, most novel highest; NaN for a row left out.
    tail_rows: how many current rows are in the tail.
    """

    view: View
    p_value: float
    current_share: float
    reference_share: float
    current_scores: Numbers
    tail_rows: int


def novelty_test(reference: ArrayLike, current: ArrayLike, *, seed: int) -> NoveltyTest:
    """Do current rows [m, d] hold something new against the reference [n, d]? Needs n, m >= 12."""
    rng = np.random.default_rng(seed)
    old, new = np.asarray(reference), np.asarray(current)
    order = rng.permutation(len(old))[:MAX_ROWS]
    index, calibration = np.array_split(old[order], 2)
    kept = np.sort(rng.permutation(len(new))[:MAX_ROWS])
    pooled = np.concatenate([calibration, new[kept]])
    scores = _scores(index, pooled)
    tests = [_tail_test(view, values, len(calibration)) for view, values in scores.items()]
    best = min(tests, key=lambda test: test.p_value)
    spread = np.full(len(new), np.nan)
    spread[kept] = best.current_scores
    return NoveltyTest(
        best.view,
        min(1.0, len(tests) * best.p_value),
        best.current_share,
        best.reference_share,
        spread,
        best.tail_rows,
    )


def _scores(index: NDArray[np.generic], pooled: NDArray[np.generic]) -> dict[View, Numbers]:
    to_index = distances(pooled, index)
    among = distances(pooled, pooled)
    np.fill_diagonal(among, np.inf)
    group = _kth(to_index, NEIGHBOUR) - _kth(among, NEIGHBOUR)
    return {"far": _kth(to_index, 1), "group": group}


def _kth(matrix: Numbers, k: int) -> Numbers:
    """The k-th smallest entry of each row (k counts from 1)."""
    return np.asarray(np.partition(matrix, k - 1, axis=1)[:, k - 1])


def _highest_tenth(scores: Numbers) -> NDArray[np.bool_]:
    """The rows above the quantile; those on it where a flood of equal rows leaves none above."""
    threshold = np.quantile(scores, 1.0 - TAIL)
    above = np.asarray(scores > threshold)
    return above if above.any() else np.asarray(scores >= threshold)


def _tail_test(view: View, scores: Numbers, calibration_rows: int) -> NoveltyTest:
    """One-sided hypergeometric p of as many current rows, or more, in the pooled tail."""
    in_tail = _highest_tenth(scores)
    old, new = in_tail[:calibration_rows], in_tail[calibration_rows:]
    drawn = int(new.sum())
    p = float(stats.hypergeom.sf(drawn - 1, in_tail.size, int(in_tail.sum()), new.size))
    shares = float(new.mean()), float(old.mean())
    return NoveltyTest(view, min(1.0, max(p, 1e-300)), *shares, scores[calibration_rows:], drawn)
