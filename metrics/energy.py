"""The energy distance between two samples of vectors, tested by permutation.

Székely & Rizzo, "Energy statistics: a class of statistics based on distances", J. Stat. Plan.
Inference 143 (2013): E = 2 E|X-Y| - E|X-X'| - E|Y-Y'| is 0 iff the distributions are equal. Under
the null hypothesis the rows of both samples are exchangeable, so the permutation p-value
(1 + #{permuted >= observed}) / (1 + B) is valid at any sample size, and never 0 (Phipson & Smyth,
Stat. Appl. Genet. Mol. Biol. 9, 2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Numbers = NDArray[np.float64]

MAX_ROWS = (
    1000  # a side: above it a seeded subsample, since the cost grows with rows^2 x permutations
)
LABELS_PER_GEMM = 512  # bounds the label matrix to 2000 x 512 doubles = 8 MB
TIE = 1e-7  # relative: duplicate rows lie at a distance of 1e-8, not 0, by cancellation


@dataclass(frozen=True, slots=True)
class EnergyTest:
    """statistic: E >= 0. effect: the energy coefficient with its small-sample bias removed.

    within_x: mean distance of two different rows of x; between: of a row of x and one of y.
    """

    statistic: float
    p_value: float
    effect: float
    within_x: float
    between: float


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of distances within x, between x and y, within y; one entry a labelling."""

    within_x: Numbers
    between: Numbers
    within_y: Numbers


def distances(x: ArrayLike, y: ArrayLike) -> Numbers:
    """Euclidean distances [n, m] between the rows of x [n, d] and y [m, d]."""
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    squared = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2.0 * (a @ b.T)
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))


def energy_distance(x: ArrayLike, y: ArrayLike) -> float:
    """E of x [n, d] and y [m, d] (V-statistic, >= 0); in 1-D the square of scipy's."""
    n, m = len(np.asarray(x)), len(np.asarray(y))
    within = float(distances(x, x).mean()), float(distances(y, y).mean())
    return 2.0 * float(distances(x, y).sum()) / (n * m) - within[0] - within[1]


def energy_test(x: ArrayLike, y: ArrayLike, *, permutations: int, seed: int) -> EnergyTest:
    """Are x [n, d] and y [m, d] from one distribution? Needs n, m >= 2 rows without NaN.

    effect = (2 mean between - unbiased means within) / (2 mean between), at least 0: a share of the
    distance between the sides that is due to their difference. The plain coefficient E / (2 mean
    between) of Székely & Rizzo has an expectation of about (1/n + 1/m) / 2 without any drift.
    """
    rng = np.random.default_rng(seed)
    first, second = _subsample(np.asarray(x), rng), _subsample(np.asarray(y), rng)
    pooled = np.concatenate([first, second])
    matrix = _exact_zero_diagonal(distances(pooled, pooled))
    n, m = len(first), len(second)
    observed = _sums(matrix, _labels(n, m, 1, rng=None))
    statistic = float(_statistic(observed, n, m)[0])
    reached = _count_reached(matrix, n, m, statistic, permutations, rng)
    return EnergyTest(
        statistic=max(0.0, statistic),
        p_value=(1 + reached) / (1 + permutations),
        effect=_effect(observed, n, m),
        within_x=float(observed.within_x[0]) / (n * (n - 1)),
        between=float(observed.between[0]) / (n * m),
    )


def witness(x: ArrayLike, y: ArrayLike) -> Numbers:
    """How much nearer each row of y [m, d] lies to y than to x, on average; [m].

    It is the energy distance's witness function: the rows with the largest values show best what
    y has and x has not.
    """
    return np.asarray(distances(y, x).mean(1) - distances(y, y).mean(1))


def _subsample(rows: NDArray[np.generic], rng: np.random.Generator) -> NDArray[np.generic]:
    if len(rows) <= MAX_ROWS:
        return rows
    return rows[np.sort(rng.choice(len(rows), MAX_ROWS, replace=False))]


def _exact_zero_diagonal(matrix: Numbers) -> Numbers:
    np.fill_diagonal(matrix, 0.0)
    return matrix


def _labels(n: int, m: int, count: int, rng: np.random.Generator | None) -> Numbers:
    """0/1 columns [n + m, count], each with n ones; in the given order when rng is None."""
    labels = np.zeros((count, n + m))
    labels[:, :n] = 1.0
    return (labels if rng is None else rng.permuted(labels, axis=1)).T


def _sums(matrix: Numbers, labels: Numbers) -> Sums:
    """One GEMM gives the sums for every labelling at once."""
    within_x = ((matrix @ labels) * labels).sum(0)
    between = matrix.sum(1) @ labels - within_x
    return Sums(within_x, between, float(matrix.sum()) - within_x - 2.0 * between)


def _statistic(sums: Sums, n: int, m: int) -> Numbers:
    return np.asarray(
        2.0 * sums.between / (n * m) - sums.within_x / (n * n) - sums.within_y / (m * m)
    )


def _count_reached(
    matrix: Numbers, n: int, m: int, observed: float, permutations: int, rng: np.random.Generator
) -> int:
    """How many of the permuted labellings give at least the observed statistic (ties count)."""
    bar = observed - TIE * float(matrix.mean())
    reached = 0
    for start in range(0, permutations, LABELS_PER_GEMM):
        labels = _labels(n, m, min(LABELS_PER_GEMM, permutations - start), rng)
        reached += int((_statistic(_sums(matrix, labels), n, m) >= bar).sum())
    return reached


def _effect(sums: Sums, n: int, m: int) -> float:
    across = 2.0 * float(sums.between[0]) / (n * m)
    within = float(sums.within_x[0]) / (n * (n - 1)) + float(sums.within_y[0]) / (m * (m - 1))
    return max(0.0, (across - within) / across) if across > 0.0 else 0.0
