"""How busy a worker is, how fast, and what an event costs: the last minute, and since it began."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

WINDOW_SECONDS = 60.0
HOUR_SECONDS = 3600.0
TINY_SECONDS = 1e-6


@dataclass(frozen=True, slots=True)
class Numbers:
    """busy_share: of the last minute. tokens_per_second: of the last minute's time at work."""

    busy_share: float
    tokens_per_second: float
    events_per_second: float
    cost_per_1000_events: float | None


@dataclass(slots=True)
class _Stretch:
    """Seconds of work, on the clock that `Activity` was given, and what they brought."""

    began: float
    ended: float = math.inf
    tokens: int = 0
    events: int = 0


class Activity:
    """What a worker did. Thread-safe: one thread works, others ask.

    cost_per_hour: dollars for this worker's share of its machine, idle time included; 0: unknown.
    """

    def __init__(self, clock: Callable[[], float], cost_per_hour: float = 0.0) -> None:
        self._clock = clock
        self._cost_per_hour = cost_per_hour
        self._began = clock()
        self._stretches: deque[_Stretch] = deque()
        self._events = 0
        self._lock = threading.Lock()

    @property
    def working(self) -> bool:
        return bool(self._stretches) and self._stretches[-1].ended == math.inf

    @contextmanager
    def work(self) -> Iterator[None]:
        """The time of the `with` block is work."""
        with self._lock:
            stretch = _Stretch(self._clock())
            self._stretches.append(stretch)
        try:
            yield
        finally:
            with self._lock:
                stretch.ended = self._clock()

    def count(self, events: int, tokens: int) -> None:
        """What the work in hand brought."""
        with self._lock:
            self._events += events
            if self._stretches:
                self._stretches[-1].events += events
                self._stretches[-1].tokens += tokens

    def numbers(self) -> Numbers:
        with self._lock:
            now = self._clock()
            first = max(self._began, now - WINDOW_SECONDS)
            while self._stretches and self._stretches[0].ended <= first:
                self._stretches.popleft()
            busy = sum(min(s.ended, now) - max(s.began, first) for s in self._stretches)
            span = max(now - first, TINY_SECONDS)
            tokens = sum(s.tokens for s in self._stretches)
            return Numbers(
                busy_share=min(1.0, busy / span),
                tokens_per_second=tokens / max(busy, TINY_SECONDS),
                events_per_second=sum(s.events for s in self._stretches) / span,
                cost_per_1000_events=self._cost(now),
            )

    def _cost(self, now: float) -> float | None:
        if not self._cost_per_hour or not self._events:
            return None
        hours = (now - self._began) / HOUR_SECONDS
        return 1000.0 * self._cost_per_hour * hours / self._events
