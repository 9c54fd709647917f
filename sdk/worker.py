"""What happens to a line after the app's call: two daemon threads make JSON of it and deliver it.

    submit -> buffer -> scribe (JSON) -> store (disk or memory) -> sender -> transport

The threads start with the first line, and again after a fork. Durability "process": the scribe
writes to the spool, as a rule within 50 ms. "call": the caller writes. "none": there is no spool.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

from .buffer import Buffer
from .event import Line
from .guard import log
from .losses import Loss, Losses
from .retry import delay
from .run import Run
from .scribe import Scribe
from .sender import Sender
from .spool import Spool
from .store import Store
from .transport import Transport

CHILD_EXIT_SECONDS = 1.5
JOIN_SECONDS = 0.1  # more than the deadline, for a thread that is about to end


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
        make_spool: Callable[[], Spool | None] = lambda: None,
        write_in_call: bool = False,
    ) -> None:
        self._transport = transport
        self._new_id = new_id
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._flush_seconds = flush_seconds
        self._schedule = schedule
        self._make_spool = make_spool
        self._write_in_call = write_in_call
        self._start_afresh(losses)

    def _start_afresh(self, losses: Losses) -> None:
        self._shared = Run(losses)
        self._buffer = Buffer(self._max_rows, self._max_bytes)
        self._store = Store(self._make_spool(), self._max_rows, self._max_bytes)
        self._sender = Sender(
            self._transport,
            self._store,
            self._shared,
            flush_seconds=self._flush_seconds,
            schedule=self._schedule,
        )
        bell = self._sender.bell
        self._scribe = Scribe(
            self._buffer, self._store, self._shared, self._new_id, lambda: bell.put(None)
        )
        self._start_lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    # ------------------------------------------------------------ the app's side

    def submit(self, line: Line) -> None:
        """Queue `line`, or count it as lost. Never waits (but for the disk, durability "call")."""
        if self._shared.deadline is not None:
            self._shared.lose(Loss.CLOSED, 1)
        elif self._write_in_call and self._scribe.write_now(line):
            pass
        elif not self._buffer.put(line):
            self._shared.lose(Loss.QUEUE_FULL, 1)
        if not self._threads:
            self._start()

    def resume(self) -> None:
        """Deliver what earlier processes left, if there is anything."""
        spool = self._store.spool
        if spool is not None and spool.has_files():
            self._start()

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until everything submitted before is delivered or counted; False at the timeout."""
        run = self._shared
        target = self._buffer.puts + run.direct
        turns: list[int] = []  # the scribe's turn when all was settled: losses are told after it

        def settled() -> bool:
            if run.settled < target:
                return False
            turns.append(run.begun)
            told = not run.reports and not run.losses.untold()
            return told or run.seen > turns[0]

        with run.changed:
            run.flushes += 1
            try:
                if not settled():
                    self._start()
                    self._buffer.bell.put(None)
                return run.changed.wait_for(settled, max(0.0, timeout_seconds))
            finally:
                run.flushes -= 1

    def close(self, timeout_seconds: float) -> int:
        """Deliver what is queued, then stop. Returns how many lines time was too short for."""
        run = self._shared
        with run.changed:
            if run.deadline is not None:
                return 0
            if self.queued or run.losses.untold():
                self._start()
            run.deadline = time.monotonic() + timeout_seconds
        run.stop.set()
        self._buffer.bell.put(None)
        self._sender.bell.put(None)
        self._join()
        return self._abandon()

    def after_fork(self, losses: Losses) -> None:
        """In a forked child: the queue, the files and the counts are the parent's."""
        deadline = self._shared.deadline
        if self._store.spool is not None:
            self._store.spool.disown()
        self._start_afresh(losses)
        self._shared.deadline = deadline

    @property
    def queued(self) -> int:
        """Lines that are neither delivered nor lost yet."""
        return max(0, self._buffer.puts + self._shared.direct - self._shared.settled)

    @property
    def accepted(self) -> int:
        """Lines that the collector acknowledged as stored."""
        return self._shared.accepted

    @property
    def replayed(self) -> int:
        """Lines of earlier processes that the collector acknowledged."""
        return self._shared.replayed

    @property
    def spooled(self) -> int:
        """Lines on disk, those of earlier processes too, that are not delivered yet."""
        return self._store.spooled

    def lose(self, reason: Loss, count: int) -> None:
        """Count, and say so the first time."""
        self._shared.lose(reason, count)

    # --------------------------------------------------------- starting, stopping

    def _start(self) -> None:
        """Once. A signal handler may interrupt this and come here: it must not wait, nor start."""
        if self._threads or not self._start_lock.acquire(blocking=False):
            return
        try:
            if not self._threads and self._shared.deadline is None:
                self._start_threads()
        finally:
            self._start_lock.release()

    def _start_threads(self) -> None:
        scribe = threading.Thread(target=self._scribe.work, name="driftline-scribe", daemon=True)
        sender = threading.Thread(
            target=self._send, args=(scribe,), name="driftline-sender", daemon=True
        )
        try:
            for thread in (scribe, sender):
                thread.start()
                self._threads.append(thread)
        except RuntimeError:  # no threads left, or the interpreter is going down
            return
        self._drain_when_a_child_exits()

    def _send(self, scribe: threading.Thread) -> None:
        self._sender.work()
        self._sender.finish(scribe)

    def _drain_when_a_child_exits(self) -> None:
        """multiprocessing's children leave by os._exit: atexit never runs, its finalizers do."""
        process = sys.modules.get("multiprocessing.process")
        if process is not None and process.parent_process() is not None:
            from multiprocessing.util import Finalize

            Finalize(None, self.close, args=(CHILD_EXIT_SECONDS,), exitpriority=0)

    def _join(self) -> None:
        if self._start_lock.acquire(timeout=JOIN_SECONDS):  # a start that is under way is over
            self._start_lock.release()
        if len(self._threads) < 2:  # no thread could be started: deliver from here
            if self.queued or self._shared.losses.untold():
                self._scribe.turn()
                self._sender.pass_guarded()
            return
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(self._shared.left() + JOIN_SECONDS)

    def _abandon(self) -> int:
        """What is in the spool is the next process's; the rest is lost."""
        run, spool = self._shared, self._store.spool
        kept = spool.own.rows - run.reports if spool is not None else 0
        lost = max(0, self.queued - kept)
        run.settle(lost, Loss.SHUTDOWN_TIMEOUT)
        if spool is not None and run.losses.untold():
            self._scribe.report()
        run.abandoned = True
        if spool is not None:
            spool.close()
        if kept > 0 and spool is not None:
            log.warning(
                "driftline shut down with %d events undelivered; they are kept in %s"
                " and sent by the next process with these settings", kept, spool.folder,
            )  # fmt: skip
        if lost:
            log.warning("driftline shut down with %d events undelivered", lost)
        return lost
