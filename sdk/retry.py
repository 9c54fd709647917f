"""When to try again: a pure schedule, exponential with full jitter.

Source: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

BASE_SECONDS = 0.2
CAP_SECONDS = 15.0
MAX_RETRY_AFTER_SECONDS = 60.0  # a hostile Retry-After must not park the sender
RETRYABLE = frozenset({408, 429, 500, 502, 503, 504})


def delay(
    attempt: int,
    retry_after_seconds: float | None = None,
    uniform: Callable[[float, float], float] = random.uniform,
) -> float:
    """Seconds before retry number `attempt` (0, 1, ...); Retry-After is a clamped minimum."""
    ceiling = min(CAP_SECONDS, BASE_SECONDS * 2.0 ** min(attempt, 30))
    jittered = uniform(ceiling / 2, ceiling)
    return max(jittered, min(retry_after_seconds or 0.0, MAX_RETRY_AFTER_SECONDS))


def delays(
    retries: int, uniform: Callable[[float, float], float] = random.uniform
) -> Iterator[float]:
    """The waits between `retries` + 1 attempts."""
    return (delay(attempt, None, uniform) for attempt in range(retries))
