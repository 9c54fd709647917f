"""How much a project may send: a bucket of events and one of bytes, filled at its rate.

A request is admitted while its project's buckets are not empty, before its body is read; what it
then held is taken out, below zero if need be, so nothing is parsed to be refused. The next ones
wait until the debt is paid: over any stretch of time a project gets its rate and one burst.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from driftline.sdk.records import ProjectSettings

from .problem import Problem
from .settings import Settings

BURST_SECONDS = 5.0  # clients gather for a second or two, then send at once
MAX_RETRY_SECONDS = 60


@dataclass(slots=True)
class Bucket:
    """`rate` a second go in, up to a burst; 0 is no limit."""

    rate: float
    level: float
    filled_at: float

    def fill(self, rate: float, now: float) -> None:
        """Add what came in since, at the rate that holds from now on."""
        self.level += (now - self.filled_at) * self.rate
        self.level = min(self.level, rate * BURST_SECONDS)
        self.rate, self.filled_at = rate, now

    @property
    def wait_seconds(self) -> float:
        """Until it holds something again."""
        return (1.0 - self.level) / self.rate if self.rate and self.level < 1.0 else 0.0


class Limits:
    """The buckets of each project, in this process. Thread-safe."""

    def __init__(self, settings: Settings, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._events = settings.events_per_second
        self._bytes = settings.bytes_per_second
        self._monotonic = monotonic
        self._buckets: dict[str, tuple[Bucket, Bucket]] = {}
        self._mutex = threading.Lock()

    def admit(self, project: str) -> None:
        """May the project send now? Raises Problem 429 with Retry-After. Asks no database."""
        with self._mutex:
            now = self._monotonic()
            wait = 0.0
            for bucket in self._buckets.get(project, ()):
                bucket.fill(bucket.rate, now)
                wait = max(wait, bucket.wait_seconds)
        if wait:
            raise _too_fast(wait)

    def charge(self, project: str, wanted: ProjectSettings, events: int, size: int) -> None:
        """It sent so many events in a body of `size` bytes, before compression."""
        rates = (wanted.events_per_second or self._events, wanted.bytes_per_second or self._bytes)
        with self._mutex:
            now = self._monotonic()
            if project not in self._buckets:
                events_rate, bytes_rate = rates
                self._buckets[project] = (
                    Bucket(events_rate, events_rate * BURST_SECONDS, now),
                    Bucket(bytes_rate, bytes_rate * BURST_SECONDS, now),
                )
            for bucket, rate, amount in zip(
                self._buckets[project], rates, (events, size), strict=True
            ):
                bucket.fill(rate, now)
                bucket.level = bucket.level - amount if rate else 0.0


def _too_fast(wait_seconds: float) -> Problem:
    seconds = min(MAX_RETRY_SECONDS, max(1, math.ceil(wait_seconds)))
    words = "this project sends faster than its limit; nothing was stored: send it again later"
    return Problem(429, "rate_limited", words, headers={"Retry-After": str(seconds)})
