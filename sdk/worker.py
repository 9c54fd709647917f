"""The sender: one daemon thread that turns buffered lines into batches and delivers them.

It starts with the first line and again after a fork, waits until a batch is full or
`flush_seconds` passed, makes the JSON, and sends. What cannot be delivered is retried until it is,
or until `close` runs out of time; the buffer's bound protects the app's memory meanwhile.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty

from .buffer import MAX_BATCH_BYTES, Buffer
from .encode import best_dumps
from .errors import Unreachable
from .event import Line
from .guard import log, strict, warn_once
from .losses import Loss, Losses, LossLine
from .retry import RETRYABLE, delay
from .transport import Reply, Transport

MAX_LINE_BYTES = 8 << 20  # the collector's limit
POISON_ATTEMPTS = 5  # 500s in a row before a batch is split to find the line that causes them
CHILD_EXIT_SECONDS = 2.0
BREATH_LINES = 16  # lines of JSON between two pauses
BREATH_SECONDS = 0.00005  # long enough for a waiting thread to take the interpreter


@dataclass(frozen=True, slots=True)
class Batch:
    """Encoded lines, and the loss reports that travel behind them."""

    lines: tuple[bytes, ...]
    reports: Counter[Loss] = field(default_factory=Counter)
    report_lines: tuple[bytes, ...] = ()


class Worker:
    """Sends what is `submit`ted through `transport`; counts what it loses."""

    def __init__(
        self,
        transport: Transport,
        losses: Losses,
        new_id: Callable[[], str],
        *,
        max_rows: int,
        max_bytes: int,
        flush_seconds: float,
        schedule: Callable[[int, float | None], float] = delay,
    ) -> None:
        self._transport = transport
        self._losses = losses
        self._new_id = new_id
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._flush_seconds = flush_seconds
        self._schedule = schedule
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._buffer = Buffer(self._max_rows, self._max_bytes)
        self._progress = threading.Condition()
        self._stop = threading.Event()
        self._start_lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._deadline: float | None = None  # when closing must be over, on the monotonic clock
        self._flushes = 0  # callers of flush that wait now
        self._passes = 0  # times the sender worked the buffer off
        self._done = 0  # lines delivered or lost, of those the buffer accepted
        self._accepted = 0
        self._abandoned = False
        self._dumps = best_dumps()

    # ------------------------------------------------------------ the app's side

    def submit(self, line: Line) -> None:
        """Queue `line`, or count it as lost. Never waits."""
        if self._deadline is not None:
            self.lose(Loss.CLOSED, 1)
        elif not self._buffer.put(line):
            self.lose(Loss.QUEUE_FULL, 1)
        if self._thread is None:
            self._start()

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until everything submitted before is delivered or counted; False at the timeout."""
        until = time.monotonic() + timeout_seconds
        target, passes = self._buffer.puts, self._passes

        def settled() -> bool:
            return self._done >= target and (self._passes > passes or not self._losses.untold())

        with self._progress:
            self._flushes += 1
            try:
                if not settled():
                    self._start()
                    self._buffer.bell.put(None)
                return self._progress.wait_for(settled, max(0.0, until - time.monotonic()))
            finally:
                self._flushes -= 1

    def close(self, timeout_seconds: float) -> int:
        """Deliver what is queued, then stop. Returns how many lines time was too short for."""
        with self._start_lock:
            if self._deadline is not None:
                return 0
            self._deadline = time.monotonic() + timeout_seconds
        if self._thread is None and (len(self._buffer) or self._losses.untold()):
            self._start()
        self._stop.set()
        self._buffer.bell.put(None)
        self._join(timeout_seconds)
        return self._abandon()

    def after_fork(self, losses: Losses) -> None:
        """In a forked child: the queue and the counts are the parent's; begin with none."""
        deadline = self._deadline
        self._losses = losses
        self._start_afresh()
        self._deadline = deadline

    @property
    def queued(self) -> int:
        """Lines that are neither delivered nor lost yet."""
        return max(0, self._buffer.puts - self._done)

    @property
    def accepted(self) -> int:
        """Lines that the collector acknowledged as stored."""
        return self._accepted

    def lose(self, reason: Loss, count: int) -> None:
        """Count, and say so the first time."""
        if self._losses.add(reason, count):
            warn_once(
                f"loss {reason}", f"events are being lost: {reason} (driftline.stats() counts)"
            )

    # --------------------------------------------------------- starting, stopping

    def _start(self) -> None:
        with self._start_lock:
            if self._thread is not None:
                return
            thread = threading.Thread(target=self._run, name="driftline-sender", daemon=True)
            self._thread = thread
            try:
                thread.start()
            except RuntimeError:  # no threads left, or the interpreter is going down
                self._thread = None
                return
        self._drain_when_a_child_exits()

    def _drain_when_a_child_exits(self) -> None:
        """multiprocessing's children leave by os._exit: atexit never runs, its finalizers do."""
        process = sys.modules.get("multiprocessing.process")
        if process is not None and process.parent_process() is not None:
            from multiprocessing.util import Finalize

            Finalize(None, self.close, args=(CHILD_EXIT_SECONDS,), exitpriority=0)

    def _join(self, timeout_seconds: float) -> None:
        thread = self._thread
        if thread is None:
            self._work_guarded()  # no thread could be started: deliver from here
        elif thread is not threading.current_thread():
            thread.join(timeout_seconds + 0.1)

    def _abandon(self) -> int:
        left = self.queued
        self._abandoned = True
        self.lose(Loss.SHUTDOWN_TIMEOUT, left)
        self._done += left
        total = self._losses.count(Loss.SHUTDOWN_TIMEOUT)
        if total:
            log.warning("driftline shut down with %d events undelivered", total)
        return total

    # ------------------------------------------------------------ the sender's side

    def _run(self) -> None:
        while self._deadline is None:
            self._buffer.bell.get()
            self._linger()
            self._work_guarded()

    def _hurried(self) -> bool:
        return self._deadline is not None or self._flushes > 0

    def _linger(self) -> None:
        """Let a batch fill up."""
        until = time.monotonic() + self._flush_seconds
        while len(self._buffer) and not self._buffer.has_batch and not self._hurried():
            try:
                self._buffer.bell.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                return

    def _work_guarded(self) -> None:
        try:
            self._work()
        except Exception as error:
            self._progress_to(self._buffer.puts - len(self._buffer), Loss.INTERNAL)
            warn_once("sender", f"internal error in the sender: {type(error).__name__}")
            if strict():
                raise
        finally:
            with self._progress:
                self._passes += 1
                self._progress.notify_all()

    def _work(self) -> None:
        """Deliver until the buffer is empty and all losses are told (or telling failed)."""
        while not self._out_of_time() and (lines := self._buffer.take()):
            for batch in self._batches(lines):
                self._deliver(self._with_reports(batch))
        report = self._with_reports(Batch(()))
        if report.reports and not self._abandoned:
            self._deliver(report)

    def _out_of_time(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _batches(self, lines: Sequence[Line]) -> Iterator[Batch]:
        """Encoded lines in batches of at most MAX_BATCH_BYTES (or one line)."""
        encoded: list[bytes] = []
        size = 0
        for number, line in enumerate(lines):
            if number % BREATH_LINES == BREATH_LINES - 1:
                time.sleep(BREATH_SECONDS)
            data = self._encode(line)
            if data is None:
                continue
            if encoded and size + len(data) > MAX_BATCH_BYTES:
                yield Batch(tuple(encoded))
                encoded, size = [], 0
            encoded.append(data)
            size += len(data) + 1
        if encoded:
            yield Batch(tuple(encoded))

    def _encode(self, line: Line) -> bytes | None:
        try:
            data = line.encode(self._dumps)
        except (TypeError, ValueError, RecursionError):
            self._settle(1, Loss.UNSERIALISABLE)
            return None
        if len(data) > MAX_LINE_BYTES:
            self._settle(1, Loss.TOO_LARGE)
            return None
        return data

    def _with_reports(self, batch: Batch) -> Batch:
        counts = self._losses.untold()
        lines = tuple(
            LossLine(self._new_id(), reason, count).encode(self._dumps)
            for reason, count in counts.items()
        )
        return Batch(batch.lines, counts, lines)

    def _deliver(self, batch: Batch) -> None:
        """Send until the batch is settled: stored, refused, or out of time."""
        failures = 0
        for attempt in range(sys.maxsize):
            reply = self._try(batch)
            if reply is not None and self._settled(batch, reply):
                return
            failures = failures + 1 if reply is not None and reply.status == 500 else 0
            if failures >= POISON_ATTEMPTS:
                self._split(batch, Loss.SERVER_ERROR)
                return
            if not batch.lines or self._out_of_time():
                self._settle(len(batch.lines), Loss.SHUTDOWN_TIMEOUT)
                return
            self._pause(self._schedule(attempt, reply.retry_after_seconds if reply else None))

    def _try(self, batch: Batch) -> Reply | None:
        try:
            return self._transport.send(batch.lines + batch.report_lines)
        except Unreachable as error:
            warn_once("unreachable", f"the collector does not answer, retrying: {error}")
            return None

    def _settled(self, batch: Batch, reply: Reply) -> bool:
        """Account for an answer; False when the batch has to be sent again."""
        if reply.understood and reply.status in (200, 422):
            self._account(batch, reply)
        elif reply.status == 413:
            self._split(batch, Loss.TOO_LARGE)
        elif reply.status >= 500 or reply.status in RETRYABLE:
            return False
        else:
            denied = reply.status in (401, 403)
            self._settle(len(batch.lines), Loss.UNAUTHORIZED if denied else Loss.REFUSED)
        return True

    def _account(self, batch: Batch, reply: Reply) -> None:
        reasons = Counter(map(Loss.rejection, reply.rejected[: len(batch.lines)]))
        self._losses.tell(batch.reports)
        stored = len(batch.lines) - reasons.total()
        if not self._abandoned:
            self._accepted += stored
        self._settle(stored)
        for reason, count in reasons.items():
            self._settle(count, reason)

    def _split(self, batch: Batch, reason: Loss) -> None:
        """Send halves; a batch of one line is lost for `reason`."""
        if len(batch.lines) <= 1:
            self._settle(len(batch.lines), reason)
            return
        middle = len(batch.lines) // 2
        self._deliver(Batch(batch.lines[:middle]))
        self._deliver(Batch(batch.lines[middle:]))

    def _settle(self, count: int, lost: Loss | None = None) -> None:
        """`count` more lines are delivered, or lost."""
        if self._abandoned:
            return
        if lost is not None:
            self.lose(lost, count)
        with self._progress:
            self._done += count
            self._progress.notify_all()

    def _progress_to(self, done: int, lost: Loss) -> None:
        self._settle(max(0, done - self._done), lost)

    def _pause(self, seconds: float) -> None:
        """Wait, but not beyond the deadline; being asked to close ends the wait once."""
        if self._deadline is None:
            self._stop.wait(seconds)
        else:
            time.sleep(max(0.0, min(seconds, self._deadline - time.monotonic())))
