"""UUIDv7 event ids (RFC 9562, 5.7): sortable by time, unique without coordination.

Ids of one process rise strictly (RFC 9562, 6.2, method 1: a 12-bit counter in `rand_a`; when it
overflows within a millisecond the clock is run ahead). The last 62 bits are random: a forked child,
which inherits the counter, seeds its generator anew and cannot repeat its parent, and a span id
(the last 16 hex digits of the event's id) is unique in its trace. The generator is not os.urandom,
which gives up the interpreter at each call: the SDK's own threads would take it from the app.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Protocol

COUNTER_BITS = 12
SEED_MASK = (1 << (COUNTER_BITS - 1)) - 1  # the top bit starts at 0: room to count
MAX_MS = (1 << 48) - 1

Clock = Callable[[], int]  # microseconds since the Unix epoch


def now_us() -> int:
    """The wall clock, in microseconds since the Unix epoch."""
    return time.time_ns() // 1000


def uuid7(unix_ms: int, rand_a: int, rand_b: int) -> str:
    """The UUIDv7 of a time, 12 bits and 62 bits. Times outside 48 bits are clamped."""
    ms = min(max(unix_ms, 0), MAX_MS)
    low = rand_b & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    digits = f"{ms << 16 | 0x7000 | rand_a & 0xFFF:016x}{low:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def trace_id_of(event_id: str) -> str:
    """The trace of an event that starts one: its id's 32 hex digits."""
    return event_id.replace("-", "")


def span_id_of(event_id: str) -> str:
    """The span id of an event: the last 16 hex digits of its id."""
    return event_id[19:23] + event_id[24:]


def is_uuid7(text: str) -> bool:
    """Whether `text` is a UUIDv7 in canonical form."""
    digits = text.replace("-", "")
    return (
        len(text) == 36
        and len(digits) == 32
        and text[14] == "7"
        and text[19] in "89abAB"
        and all(c in "0123456789abcdefABCDEF" for c in digits)
    )


class Ids(Protocol):
    """Where event ids come from."""

    def new(self, unix_us: int, *, live: bool = True) -> str:
        """An id of that time; live ids rise strictly, an id of the past has exactly its time."""


class Uuid7Ids:
    """The real ids. `random_bits(n)` gives n random bits."""

    def __init__(self, random_bits: Callable[[int], int] | None = None) -> None:
        self._given = random_bits
        self._bits = random_bits or random.Random().getrandbits  # seeded by the system
        # Re-entrant: a garbage collection inside `new` may end a span, which asks for an id.
        self._lock = threading.RLock()
        self._ms = 0
        self._counter = 0

    def new(self, unix_us: int, *, live: bool = True) -> str:
        if not live:
            ms, fraction = divmod(unix_us, 1000)
            return uuid7(ms, (fraction << COUNTER_BITS) // 1000, self._bits(62))
        with self._lock:
            ms, counter = self._tick(unix_us // 1000)
        return uuid7(ms, counter, self._bits(62))

    def after_fork(self) -> None:
        """Forget a lock that another thread of the parent may hold, and the parent's randomness."""
        self._bits = self._given or random.Random().getrandbits
        self._lock = threading.RLock()

    def _tick(self, ms: int) -> tuple[int, int]:
        if ms > self._ms:
            self._ms, self._counter = ms, self._bits(COUNTER_BITS) & SEED_MASK
        elif self._counter < (1 << COUNTER_BITS) - 1:
            self._counter += 1
        else:
            self._ms, self._counter = self._ms + 1, 0
        return self._ms, self._counter
