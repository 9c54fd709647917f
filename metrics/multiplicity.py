"""Corrections for testing several signals of one window at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the given order, that control the chance of any false alarm.

    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6 (1979): valid
    under any dependence between the tests, never weaker than Bonferroni. Each value is in (0, 1].
    """
    values = np.asarray(p_values, dtype=np.float64)
    if values.size == 0:
        return []
    if not ((values > 0.0) & (values <= 1.0)).all():
        raise ValueError("a p-value lies in (0, 1]")
    order = np.argsort(values, kind="stable")
    scaled = values[order] * np.arange(values.size, 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return [float(value) for value in adjusted]
