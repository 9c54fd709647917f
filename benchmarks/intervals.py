"""Shares and other measures with their 95 % intervals, in the form of a table's cell."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
Numbers = NDArray[np.float64]


def share(hits: int, count: int) -> str:
    """hits / count with Wilson's interval."""
    if not count:
        return "none"
    z, p = 1.959964, hits / count
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(p * (1 - p) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    return f"{p:.3f} [{max(0.0, middle - half):.3f}, {min(1.0, middle + half):.3f}]"


def resampled(
    measure: Callable[[Numbers, Numbers], float], chances: Numbers, labels: Numbers
) -> str:
    """A measure of chances and labels with its bootstrap interval, over rows."""
    chooser = np.random.default_rng(0)
    drawn = [chooser.integers(0, len(labels), len(labels)) for _ in range(RESAMPLES)]
    values = [measure(chances[d], labels[d]) for d in drawn if 0 < labels[d].sum() < len(d)]
    low, high = np.percentile(values, [2.5, 97.5])
    return f"{measure(chances, labels):.3f} [{low:.3f}, {high:.3f}]"
