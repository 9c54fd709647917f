"""The queue between the app and the sender: bounded in rows and bytes, never blocking.

`put` rings the sender's bell when the buffer stops being empty and when a batch is full, not for
every row: waking a thread for every call costs the caller more than the call.

`put` may run in a signal handler or a finaliser that interrupts another `put` of the same thread.
So the bell is a `SimpleQueue`, the lock is re-entrant, and a line that comes in the middle of
another's accounting waits in `late` for the next one to account for it.
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
        self._late: deque[Line] = deque()
        self._accounting = False
        self._bytes = 0
        self._taken = 0

    def put(self, line: Line) -> bool:
        """Add `line`; False when the buffer is full. Never waits."""
        with self._lock:
            rows, size = len(self), line.size
            if rows >= self._max_rows or (rows and self._bytes + size > self._max_bytes):
                return False
            before = self._bytes
            self._late.append(line)
            self._account()
        if rows == 0 or rows + 1 == MAX_BATCH_ROWS or before < MAX_BATCH_BYTES <= before + size:
            self.bell.put(None)
        return True

    def take(self) -> list[Line]:
        """The oldest lines, at most a batch of rows and (estimated) bytes; one at least."""
        taken: list[Line] = []
        size = 0
        with self._lock:
            self._account()
            self._accounting = True
            while self._lines and len(taken) < MAX_BATCH_ROWS:
                size += self._lines[0].size
                if taken and size > MAX_BATCH_BYTES:
                    break
                taken.append(self._lines.popleft())
                self._bytes -= taken[-1].size
            self._taken += len(taken)
            self._accounting = False
        return taken

    def _account(self) -> None:
        """Append what came. When it interrupts itself, the interrupted one does the work."""
        if self._accounting:
            return
        self._accounting = True
        while self._late:
            line = self._late.popleft()
            self._bytes += line.size
            self._lines.append(line)
        self._accounting = False

    @property
    def puts(self) -> int:
        """How many lines were ever accepted."""
        with self._lock:
            return self._taken + len(self)

    def __len__(self) -> int:
        return len(self._lines) + len(self._late)

    @property
    def has_batch(self) -> bool:
        """Whether a full batch is waiting."""
        return len(self) >= MAX_BATCH_ROWS or self._bytes >= MAX_BATCH_BYTES
