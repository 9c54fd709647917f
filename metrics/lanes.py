"""Several batches at once, one thread each, instead of several threads on one batch.

Threads that share a batch meet at a barrier in every layer; threads that each have a batch of their
own never wait. How many run follows torch's number of threads, which `cores.Cores` sets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")

Check = Callable[[], None]


def unchecked() -> None:
    """Nobody wants to stop the work between two batches."""


def side_by_side(
    run: Callable[[T], R],
    items: Sequence[T],
    check: Check = unchecked,
    width: Callable[[], int] = torch.get_num_threads,
) -> list[R]:
    """`run(item)` of each item, in order; at most `width()` of them at a time.

    `check` is called in the caller's thread before each item begins and may raise to stop the work,
    or change what `width` says. Width 1 runs all in the caller's thread.
    """
    found: dict[int, R] = {}
    lanes = min(width(), len(items))
    if lanes < 2:
        for index, item in enumerate(items):
            check()
            found[index] = run(item)
        return [found[index] for index in range(len(items))]
    running: dict[Future[R], int] = {}
    # Of a new thread's own torch threads: one. The caller keeps its number.
    with ThreadPoolExecutor(lanes, "lane", torch.set_num_threads, (1,)) as pool:
        for index, item in enumerate(items):
            while len(running) >= max(1, width()):
                found |= _finished(running)
            check()
            running[pool.submit(run, item)] = index
        while running:
            found |= _finished(running)
    return [found[index] for index in range(len(items))]


def _finished(running: dict[Future[R], int]) -> dict[int, R]:
    """Waits for at least one; what is finished leaves `running`."""
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    return {running.pop(future): future.result() for future in done}
