"""The first of the SDK's two threads: it makes JSON of buffered lines and stores them.

It looks every TICK_SECONDS while the app logs, so that what was logged is soon on disk and the app
never pays for waking it; after a quiet second it sleeps until the buffer rings. It holds the
interpreter for a slice of lines at a time: a few while the app is calm, more the more waits. When
the buffer is crowded it no longer offers the interpreter between slices, and the app has to ask for
it (which takes 5 ms): else a burst would fill the memory. With ticks of 20 ms instead of 10 a line
was in memory for up to 84 ms (p99, two cores at load 9), else 66.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from .buffer import Buffer
from .encode import best_dumps
from .event import Line
from .guard import strict, warn_once
from .losses import Loss, LossLine
from .run import Run
from .store import BATCH_ROWS, Store

MAX_LINE_BYTES = 8 << 20  # the collector's limit
TICK_SECONDS = 0.01
QUIET_TICKS = 100
SLICE_ROWS = 16
MAX_SLICE_ROWS = 256
CROWDED_BYTES = 2 << 20
CROWDED_SLICE_BYTES = 4 << 20  # by the mean line: long ones must not become a copy of all
BREATH_SECONDS = 0.00005  # long enough for a waiting thread to take the interpreter
REPORT_SECONDS = 1.0  # between two reports of losses that go on
MAX_REPORT_SECONDS = 60.0


class Scribe:
    """Takes from `buffer`, puts into `store`; `ring` wakes the sender."""

    def __init__(
        self,
        buffer: Buffer,
        store: Store,
        run: Run,
        new_id: Callable[[], str],
        ring: Callable[[], None],
    ) -> None:
        self._buffer = buffer
        self._store = store
        self._shared = run
        self._new_id = new_id
        self._ring = ring
        self._dumps = best_dumps()
        self._lock = threading.RLock()
        self._inside = False
        self._report_from = 0.0
        self._report_pause = REPORT_SECONDS
        self._refused = 0

    # ------------------------------------------------------------ the app's side

    def write_now(self, line: Line) -> bool:
        """Store `line` on the caller's thread; False in the middle of another of the same thread
        (a signal handler, a finaliser), whose locks are taken: it has to go by the buffer."""
        with self._lock:
            if self._inside:
                return False
            self._inside = True
            try:
                self._shared.direct += 1
                self._put([line])
            finally:
                self._inside = False
        return True

    # ------------------------------------------------------------ its thread

    def work(self) -> None:
        """The thread's life; ends when the run is being closed and the buffer is empty."""
        quiet = 0
        while True:
            closing = self._shared.deadline is not None
            quiet = 0 if self._turn_guarded() else quiet + 1
            if closing and (not len(self._buffer) or not self._shared.left()):
                return
            if quiet < QUIET_TICKS or self._shared.hurried:
                self._buffer.wait(TICK_SECONDS)
            else:
                untold = self._shared.losses.untold()
                self._buffer.sleep(self._report_pause if untold else None)

    def _turn_guarded(self) -> bool:
        run = self._shared
        run.begun += 1
        try:
            return self.turn()
        except Exception as error:
            warn_once("scribe", f"internal error in the scribe: {type(error).__name__}")
            if strict():
                raise
            return True
        finally:
            run.written = run.begun
            if run.hurried:
                self._ring()

    def turn(self) -> bool:
        """Store what is buffered, and a report of new losses. Whether there was anything."""
        some = False
        while (waiting := len(self._buffer)) and self._shared.left():
            some = True
            size = self._buffer.size
            self._put(self._buffer.take(slice_rows(waiting, size)))
            if size <= CROWDED_BYTES:
                time.sleep(BREATH_SECONDS)
        return self.report() or some

    def report(self) -> bool:
        """Put a report of losses on the way, if there are any and it is time. Whether it did."""
        run, now = self._shared, time.monotonic()
        if not run.hurried and now < self._report_from:
            return False
        untold = run.losses.untold()
        if not untold:
            return False
        lines = [LossLine(self._new_id(), *loss).encode(self._dumps) for loss in untold.items()]
        stuck = self._store.rows > 0 or run.refused_reports > self._refused
        self._refused = run.refused_reports
        self._report_pause = (
            min(2 * self._report_pause, MAX_REPORT_SECONDS) if stuck else REPORT_SECONDS
        )
        self._report_from = now + self._report_pause
        if self._store.put(lines, bounded=False).total():
            return False  # no room even for this: later
        run.losses.tell(untold)
        run.count_reports(len(lines))
        self._ring()
        return True

    def _put(self, lines: Sequence[Line]) -> None:
        encoded: list[bytes] = []
        try:
            for line in lines:
                self._encode(line, encoded)
        finally:
            waiting = self._store.rows
            for reason, count in self._store.put(encoded).items():
                self._shared.settle(count, reason)
            if waiting < BATCH_ROWS and (not waiting or self._store.has_batch):
                self._ring()

    def _encode(self, line: Line, encoded: list[bytes]) -> None:
        """Append the JSON of `line`, or count why there is none."""
        try:
            data = line.encode(self._dumps)
        except (TypeError, ValueError, RecursionError):
            self._shared.settle(1, Loss.UNSERIALISABLE)
            return
        except Exception as error:  # a bug of ours
            self._shared.settle(1, Loss.INTERNAL)
            warn_once("encode", f"internal error in encode: {type(error).__name__}")
            return
        if len(data) > MAX_LINE_BYTES:
            self._shared.settle(1, Loss.TOO_LARGE)
        else:
            encoded.append(data)


def slice_rows(waiting: int, size: int) -> int:
    """How many of the lines that wait, `size` bytes together, are made JSON in one go."""
    if size > CROWDED_BYTES:
        return max(1, waiting * CROWDED_SLICE_BYTES // size)
    return min(max(SLICE_ROWS, waiting // 16), MAX_SLICE_ROWS)
