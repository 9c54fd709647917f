"""One side of a drift test as arrays, read from the collector's Arrow stream.

The stream has the columns event_id (string), prompt and response (list<float32>, null when the
event has no such embedding) and scores (map<string, double>); docs/api.md calls it a window's
features.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .errors import MetricsError

Vectors = NDArray[np.float32]
Numbers = NDArray[np.float64]

COLUMNS = ("event_id", "prompt", "response", "scores")


class FeaturesError(MetricsError):
    """The bytes are not a features stream; the message says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Features:
    """n events in event order. A missing embedding or score is NaN.

    prompt, response: float32 [n, d] (d may differ between the two; 0 when no event has one).
    scores: name -> float64 [n].
    """

    event_ids: list[str]
    prompt: Vectors
    response: Vectors
    scores: dict[str, Numbers]

    def __len__(self) -> int:
        return len(self.event_ids)

    def score(self, name: str) -> Numbers:
        """The values of one score, all NaN when nothing carries it."""
        values = self.scores.get(name)
        return np.full(len(self), np.nan) if values is None else values


def read_features(arrow: bytes) -> Features:
    """The features in an Arrow IPC stream. Raises FeaturesError when it is not one."""
    try:
        table = pa.ipc.open_stream(arrow).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise FeaturesError(f"the features are not an Arrow IPC stream: {error}") from error
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise FeaturesError(f"the features lack the column {missing[0]!r}")
    return Features(
        event_ids=[str(value) for value in table.column("event_id").to_pylist()],
        prompt=_vectors(table.column("prompt")),
        response=_vectors(table.column("response")),
        scores=_scores(table.column("scores")),
    )


def present(vectors: Vectors) -> NDArray[np.bool_]:
    """Which of the n rows [n, d] hold a usable vector; bool [n]."""
    if not vectors.shape[1]:
        return np.zeros(len(vectors), dtype=bool)
    return np.asarray(np.isfinite(vectors).all(axis=1), dtype=bool)


def _vectors(column: Any) -> Vectors:
    """float32 [n, d]; a null, an empty list and a list of another length than most are NaN."""
    rows = list(_rows(column))
    sizes = Counter(row.size for row in rows if row.size)
    width = sizes.most_common(1)[0][0] if sizes else 0
    out = np.full((len(rows), width), np.nan, dtype=np.float32)
    for index, row in enumerate(rows):
        if width and row.size == width:
            out[index] = row
    return out


def _rows(column: Any) -> Iterator[Vectors]:
    """Each list as a float32 vector, a null as an empty one."""
    empty = np.zeros(0, dtype=np.float32)
    for value in column:
        values = value.values  # no Python object a number
        yield empty if values is None else values.to_numpy(zero_copy_only=False).astype(np.float32)


def _scores(column: Any) -> dict[str, Numbers]:
    pairs = column.to_pylist()
    out: dict[str, Numbers] = {}
    for index, row in enumerate(pairs):
        for name, value in row or ():
            if name not in out:
                out[name] = np.full(len(pairs), np.nan)
            if value is not None:
                out[name][index] = value
    return out
