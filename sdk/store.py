"""What is made JSON and not delivered yet: on disk where there is a spool, in memory else.

When the disk fails (full, read-only) lines go to memory, and the disk is tried again later.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from itertools import islice
from typing import Protocol

from .guard import warn_once
from .losses import Loss
from .segment import Piece
from .spool import Spool

BATCH_ROWS = 500  # worth a request of its own before flush_seconds are over
BATCH_BYTES = 4 << 20
RETRY_DISK_SECONDS = 30.0
REPORTS_BYTES = 1 << 20  # loss reports are kept though the memory is full, up to this


class Backlog(Protocol):
    """Lines in order. Read by one thread, which acknowledges each piece before the next."""

    own: bool  # whether this process logged them

    @property
    def rows(self) -> int:
        """How many are not acknowledged."""

    @property
    def size(self) -> int:
        """Their bytes."""

    def take(self, max_rows: int, max_bytes: int) -> Piece | None:
        """The oldest; one, or as many as fit."""

    def ack(self, piece: Piece) -> None:
        """What `take` gave last is delivered or lost."""


class MemoryBacklog:
    """Lines in memory, bounded in rows and bytes."""

    own = True

    def __init__(self, max_rows: int, max_bytes: int) -> None:
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._lines: deque[bytes] = deque()
        self._bytes = 0

    @property
    def rows(self) -> int:
        return len(self._lines)

    @property
    def size(self) -> int:
        """Bytes."""
        return self._bytes

    def append(self, lines: Sequence[bytes], *, bounded: bool = True) -> int:
        """Keep `lines`; how many of them."""
        with self._lock:
            limit = self._max_bytes if bounded else self._max_bytes + REPORTS_BYTES
            for number, line in enumerate(lines):
                over = bounded and len(self._lines) >= self._max_rows
                if over or (self._lines and self._bytes + len(line) > limit):
                    return number
                self._lines.append(line)
                self._bytes += len(line)
        return len(lines)

    def take(self, max_rows: int, max_bytes: int) -> Piece | None:
        with self._lock:
            lines: list[bytes] = []
            for line in islice(self._lines, max_rows):
                max_bytes -= len(line)
                if lines and max_bytes < 0:
                    break
                lines.append(line)
        return Piece(tuple(lines), len(lines)) if lines else None

    def ack(self, piece: Piece) -> None:
        with self._lock:
            for _ in range(min(piece.rows, len(self._lines))):
                self._bytes -= len(self._lines.popleft())


class Store:
    """The backlogs of one client."""

    def __init__(self, spool: Spool | None, max_rows: int, max_bytes: int) -> None:
        self.spool = spool
        self.memory = MemoryBacklog(max_rows, max_bytes)
        self._backlogs: list[Backlog] = [self.memory]
        if spool is not None:
            self._backlogs = [spool.own, self.memory, spool.orphans]
        self._turn = 0
        self._disk_from = float("-inf")  # when the disk may be tried again

    def put(self, lines: Sequence[bytes], *, bounded: bool = True) -> Counter[Loss]:
        """Keep `lines`; how many there was no room for, by reason."""
        if self.spool is not None and time.monotonic() >= self._disk_from:
            try:
                kept = self.spool.append(lines, bounded=bounded)
                return Counter({Loss.SPOOL_FULL: len(lines) - kept})
            except (OSError, RuntimeError) as error:
                self._disk_from = time.monotonic() + RETRY_DISK_SECONDS
                _say(self.spool.folder, error)
        kept = self.memory.append(lines, bounded=bounded)
        return Counter({Loss.QUEUE_FULL: len(lines) - kept})

    def take(self, max_rows: int, max_bytes: int, *, own: bool) -> tuple[Backlog, Piece] | None:
        """The next lines: of each backlog in turn, or of this process first."""
        self._turn = (self._turn + 1) % len(self._backlogs)
        order = self._backlogs[self._turn :] + self._backlogs[: self._turn]
        for backlog in sorted(order, key=lambda b: not b.own) if own else order:
            piece = backlog.take(max_rows, max_bytes)
            if piece is not None:
                return backlog, piece
        return None

    @property
    def rows(self) -> int:
        """Lines that are not acknowledged."""
        return sum(backlog.rows for backlog in self._backlogs)

    @property
    def has_batch(self) -> bool:
        """Whether enough is waiting to send it at once."""
        size = sum(backlog.size for backlog in self._backlogs)
        return size >= BATCH_BYTES or self.rows >= BATCH_ROWS

    @property
    def spooled(self) -> int:
        """Those of them on disk."""
        return self.spool.rows if self.spool is not None else 0


def _say(folder: str, error: Exception) -> None:
    warn_once(
        "spool",
        f"no spool in {folder} ({type(error).__name__}): what is not delivered is kept in memory"
        " and dies with the process; set DRIFTLINE_SPOOL_DIR to a folder that can be written",
    )
