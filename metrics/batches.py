"""Batches: rows of like length together, within a budget that follows the memory there is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

GROW_AFTER_BATCHES = 64
GROWTH = 1.25

OUT_OF_MEMORY_WORDS = ("out of memory", "not enough memory", "can't allocate memory")


def by_length(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices of `lengths` in batches, longest first: so memory runs out at once or never.

    A batch padded to its longest row holds at most `budget` tokens; a longer row goes alone.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def halving(run: Callable[[list[T]], list[R]], items: list[T]) -> list[R]:
    """`run(items)`, a result an item; what does not fit into memory at once is run in halves."""
    try:
        return run(items)
    except (MemoryError, RuntimeError) as error:
        if len(items) < 2 or not is_out_of_memory(error):
            raise
    # Outside the `except`: the traceback there keeps the failed batch's tensors alive.
    middle = len(items) // 2
    return [*halving(run, items[:middle]), *halving(run, items[middle:])]


class Budget:
    """How much a batch may hold: half of what did not fit into memory, then slowly more again.

    Whoever else took the memory may be gone in a minute: after every GROW_AFTER_BATCHES batches
    that fit, the budget grows by a quarter, up to `full`. Thread-safe.
    """

    def __init__(self, full: int) -> None:
        self.full = full
        self.now = full
        self._fitted = 0
        self._lock = threading.Lock()

    def halving(self, run: Callable[[list[T]], list[R]], items: list[T]) -> list[R]:
        """As `halving`, and remembers how much did not fit."""
        return self._halving(run, items, self.now)

    def _halving(self, run: Callable[[list[T]], list[R]], items: list[T], limit: int) -> list[R]:
        try:
            found = run(items)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            self._shrink(limit // 2)
            if len(items) < 2:
                raise
        else:
            self._fit()
            return found
        # Outside the `except`: the traceback there keeps the failed batch's tensors alive.
        middle, half = len(items) // 2, max(1, limit // 2)
        first = self._halving(run, items[:middle], half)
        return [*first, *self._halving(run, items[middle:], half)]

    def _shrink(self, limit: int) -> None:
        with self._lock:
            self.now, self._fitted = max(1, min(self.now, limit)), 0

    def _fit(self) -> None:
        with self._lock:
            self._fitted += 1
            if self.now < self.full and self._fitted >= GROW_AFTER_BATCHES:
                self.now = min(self.full, max(self.now + 1, int(self.now * GROWTH)))
                self._fitted = 0


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is torch's or Python's way of saying that memory ran out."""
    words = str(error).lower()
    return isinstance(error, MemoryError) or any(part in words for part in OUT_OF_MEMORY_WORDS)
