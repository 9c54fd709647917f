"""Batches: rows of like length together, within a budget; halved where memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

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


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is torch's or Python's way of saying that memory ran out."""
    words = str(error).lower()
    return isinstance(error, MemoryError) or any(part in words for part in OUT_OF_MEMORY_WORDS)
