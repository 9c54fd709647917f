"""The queue between the app and the sender: bounded in rows and bytes, never blocking.

`put` rings the sender's bell when the buffer stops being empty and when a batch is full, not for
every row: waking a thread for every call costs the caller more than the call. The bell is a
`SimpleQueue` and the lock is re-entrant, because `put` may run in a finaliser that interrupts
another `put` of the same thread.
"""

from __future__ import annotations

import threading
from collections import deque
from queue import SimpleQueue

from .event import Line

MAX_BATCH_ROWS = 500
MAX_BATCH_BYTES = 4 << 20


class Buffer:
    """Lines waiting to be sent, oldest first."""

    def __init__(self, max_rows: int, max_bytes: int) -> None:
        self.bell: SimpleQueue[None] = SimpleQueue()
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._lock = threading.RLock()
        self._lines: deque[Line] = deque()
        self._bytes = 0
        self._puts = 0

    def put(self, line: Line) -> bool:
        """Add `line`; False when the buffer is full. Never waits."""
        size = line.size
        with self._lock:
            rows = len(self._lines)
            if rows >= self._max_rows or (rows and self._bytes + size > self._max_bytes):
                return False
            before = self._bytes
            self._lines.append(line)
            self._bytes += size
            self._puts += 1
        if rows == 0 or rows + 1 == MAX_BATCH_ROWS or before < MAX_BATCH_BYTES <= before + size:
            self.bell.put(None)
        return True

    def take(self) -> list[Line]:
        """The oldest lines, at most a batch of rows and (estimated) bytes; one at least."""
        taken: list[Line] = []
        size = 0
        with self._lock:
            while self._lines and len(taken) < MAX_BATCH_ROWS:
                size += self._lines[0].size
                if taken and size > MAX_BATCH_BYTES:
                    break
                taken.append(self._lines.popleft())
                self._bytes -= taken[-1].size
        return taken

    @property
    def puts(self) -> int:
        """How many lines were ever accepted."""
        return self._puts

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def has_batch(self) -> bool:
        """Whether a full batch is waiting."""
        return len(self._lines) >= MAX_BATCH_ROWS or self._bytes >= MAX_BATCH_BYTES
