"""The two-sample Kolmogorov-Smirnov test of one scalar score.

D = sup |F - G| over the empirical distribution functions: the largest difference, at any cut,
between the shares of the two sides below it. Its p-value is exact for continuous values and
conservative for tied ones (Hodges, Ark. Mat. 3, 1958); nothing is assumed of the distribution, so
heavy tails do no harm.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

EXACT_ROWS = 1000  # a side; above it the asymptotic p-value is within a few per cent
SMALLEST_P = 1e-300  # the exact count underflows to 0 below it


@dataclass(frozen=True, slots=True)
class KsTest:
    """statistic: D in [0, 1]. cut: where the shares differ most. higher: current lies above."""

    statistic: float
    p_value: float
    cut: float
    higher: bool
    reference_median: float
    current_median: float


def ks_test(reference: ArrayLike, current: ArrayLike) -> KsTest:
    """Are both sides [n], [m] from one distribution? Needs n, m >= 1 finite values."""
    old, new = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    exact = max(old.size, new.size) <= EXACT_ROWS
    with warnings.catch_warnings():
        # Where the exact count fails numerically SciPy says so and answers asymptotically.
        warnings.simplefilter("ignore", RuntimeWarning)
        found = stats.ks_2samp(old, new, method="exact" if exact else "asymp")
    return KsTest(
        statistic=float(found.statistic),
        p_value=min(1.0, max(SMALLEST_P, float(found.pvalue))),
        cut=float(found.statistic_location),
        higher=_share_below(old, float(found.statistic_location))
        >= _share_below(new, float(found.statistic_location)),
        reference_median=float(np.median(old)),
        current_median=float(np.median(new)),
    )


def _share_below(values: NDArray[np.float64], cut: float) -> float:
    return float((values <= cut).mean())
