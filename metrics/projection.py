"""A flat map of embeddings: principal components of the reference, the current rows on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from driftline.sdk.records import MapPoint

from .features import Features, Vectors, present

MAX_POINTS = 400


def embedding_map(
    reference: Features, current: Features, old: Vectors, new: Vectors, label: str
) -> list[MapPoint]:
    """At most 400 points, evenly thinned, half of them for each side where both have enough.

    `old` [n, d] and `new` [m, d] are one field of the reference and the current features; rows
    without an embedding are left out. The axes are fitted on the reference alone, so that what
    moved is seen to move. Empty when the reference has fewer than 3 rows.
    """
    kept_old, kept_new = np.flatnonzero(present(old)), np.flatnonzero(present(new))
    if len(kept_old) < 3 or (len(kept_new) and old.shape[1] != new.shape[1]):
        return []
    centre, axes = principal_axes(old[kept_old])
    few_old, few_new = _thin(kept_old, len(kept_new)), _thin(kept_new, len(kept_old))
    flat_old, flat_new = (old[few_old] - centre) @ axes, (new[few_new] - centre) @ axes
    return [
        *_points(flat_old, few_old, reference.event_ids, "reference", label),
        *_points(flat_new, few_new, current.event_ids, "current", label),
    ]


def principal_axes(rows: Vectors) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean [d] and the first two principal axes [d, 2] of rows [n, d].

    An axis is as good as its mirror image: the sign makes its largest entry positive.
    """
    values = rows.astype(np.float64)
    centre = values.mean(0)
    axes = np.linalg.svd(values - centre, full_matrices=False)[2][:2].T
    axes = np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))
    largest = axes[np.abs(axes).argmax(0), [0, 1]]
    return centre, axes * np.where(largest < 0.0, -1.0, 1.0)


def _thin(rows: NDArray[np.intp], others: int) -> NDArray[np.intp]:
    """Evenly spaced among `rows`; what the other side does not need of its half is free."""
    room = max(MAX_POINTS // 2, MAX_POINTS - others)
    if len(rows) <= room:
        return rows
    return rows[np.linspace(0, len(rows) - 1, room).astype(np.intp)]


def _points(
    flat: NDArray[np.float64],
    rows: NDArray[np.intp],
    event_ids: Sequence[str],
    side: str,
    label: str,
) -> list[MapPoint]:
    return [
        MapPoint(
            float(x),
            float(y),
            "current" if side == "current" else "reference",
            event_ids[row],
            label,
        )
        for (x, y), row in zip(flat, rows, strict=True)
    ]
