"""Counters that any thread, signal handler or finaliser may add to, without ever waiting.

`counter[key] += n` is not atomic, not even under a re-entrant lock: a handler that runs in the
middle of it is lost. Appending to a deque is atomic; the additions are folded in when somebody
looks, or when many have gathered.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FOLD_AT = 256
PATIENCE_SECONDS = 0.1  # a handler that interrupts a fold sees the counts before it


class Tally(Generic[K]):
    """How often each key was added."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._news: deque[tuple[K, int]] = deque()
        self._counts: Counter[K] = Counter()

    def add(self, key: K, count: int = 1) -> None:
        self._news.append((key, count))
        if len(self._news) >= FOLD_AT and self._lock.acquire(blocking=False):
            self._fold()

    def counts(self) -> Counter[K]:
        """A copy of the counts."""
        if self._lock.acquire(timeout=PATIENCE_SECONDS):
            self._fold()
        return Counter(self._counts)

    def _fold(self) -> None:
        try:
            while self._news:
                key, count = self._news.popleft()
                self._counts[key] += count
        finally:
            self._lock.release()
