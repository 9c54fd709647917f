"""The queue between the app and the scribe: bounded in rows and bytes, never blocking.

`put` does not wake the scribe, which looks every few milliseconds while it is awake: waking a
thread for every call costs the caller more than the call. Only the first line after a quiet time
rings the bell.

`put` may run in a signal handler or a finaliser that interrupts another `put` of the same thread.
So it takes no lock: appending to a deque is atomic, and the bell is a `SimpleQueue`. Counting bytes
is not quite atomic; a count that went astray is put right when the buffer is next empty.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from queue import Empty, SimpleQueue

from .event import Line


class Buffer:
    """Lines waiting to become JSON, oldest first."""

    def __init__(self, max_rows: int, max_bytes: int) -> None:
        self.bell: SimpleQueue[None] = SimpleQueue()
        self._asleep = False
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._lock = threading.Lock()  # for those who take and count, not for those who put
        self._lines: deque[Line] = deque()
        self._bytes = 0
        self._taken = 0

    def put(self, line: Line) -> bool:
        """Add `line`; False when the buffer is full. Never waits."""
        lines, rows = self._lines, len(self._lines)
        if rows >= self._max_rows or (rows and self._bytes + line.size > self._max_bytes):
            return False
        lines.append(line)
        self._bytes += line.size
        if self._asleep:
            self._asleep = False
            self.bell.put(None)
        return True

    def take(self, max_rows: int) -> list[Line]:
        """The oldest lines, at most `max_rows`."""
        with self._lock:
            taken = [self._lines.popleft() for _ in range(min(max_rows, len(self._lines)))]
            self._taken += len(taken)
        self._bytes -= sum(line.size for line in taken)
        if not self._lines:
            self._bytes = 0
        return taken

    def wait(self, seconds: float | None) -> None:
        """Until the bell rings."""
        with contextlib.suppress(Empty):
            self.bell.get(timeout=seconds)

    def sleep(self, seconds: float | None) -> None:
        """Until the bell rings or a line is put."""
        self._asleep = True
        if not len(self):
            self.wait(seconds)
        self._asleep = False

    @property
    def size(self) -> int:
        """Bytes that wait, as far as counted."""
        return self._bytes

    @property
    def puts(self) -> int:
        """How many lines were ever accepted."""
        with self._lock:
            return self._taken + len(self)

    def __len__(self) -> int:
        return len(self._lines)
