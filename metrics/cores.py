"""How many threads to compute with, decided again and again by what others leave over.

Threads that meet at a barrier for every layer collapse when cores are shared: measured 111 s
against 10 s for the same answers on two busy cores with two threads and with one. So the number of
threads follows the CPU time that other processes took since the last look.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROC_STAT = Path("/proc/stat")
LOOK_SECONDS = 0.5
BUSY_CORES = 0.4  # others that take less than this much of a core are ignored
IDLE_COLUMNS = (3, 4)  # of the cpu line in proc(5): idle, iowait


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds since some point: wall time, CPU time of the whole machine and of this process."""

    wall: float
    machine: float
    own: float


Look = Callable[[], Usage | None]


class Cores:
    """Calls `apply` with a new number of threads when it changes. `wanted` > 0 fixes the number."""

    def __init__(self, wanted: int, available: int, apply: Callable[[int], None], look: Look):
        self._adaptive = wanted <= 0
        self._available = available
        self._apply = apply
        self._look = look
        self._last = look()
        self.threads = available if wanted <= 0 else wanted
        apply(self.threads)

    def adjust(self) -> None:
        """Look at the machine, at most every LOOK_SECONDS, and follow it."""
        now, last = self._look(), self._last
        if not self._adaptive or now is None or last is None:
            return
        if now.wall - last.wall < LOOK_SECONDS:
            return
        self._last = now
        threads = choose(self._available, taken_by_others(last, now))
        if threads != self.threads:
            self.threads = threads
            self._apply(threads)


def choose(available: int, taken: float) -> int:
    """The whole cores that others leave, at least one."""
    return max(1, available - math.floor(taken + 1 - BUSY_CORES))


def taken_by_others(before: Usage, after: Usage) -> float:
    """Cores that other processes kept busy between two looks."""
    machine = after.machine - before.machine
    return max(0.0, machine - (after.own - before.own)) / (after.wall - before.wall)


def usage() -> Usage | None:
    """A look at this machine; None where there is no /proc/stat."""
    try:
        fields = PROC_STAT.read_text("ascii").split("\n", 1)[0].split()[1:9]
    except OSError:
        return None
    ticks = sum(int(text) for i, text in enumerate(fields) if i not in IDLE_COLUMNS)
    return Usage(time.monotonic(), ticks / os.sysconf("SC_CLK_TCK"), time.process_time())
