"""The second of the SDK's two threads: it delivers what the scribe stored.

It waits until a batch is full or `flush_seconds` passed, and sends. What cannot be delivered is
retried until it is, or until closing runs out of time; the store's bound protects memory and disk
meanwhile. It also delivers what dead processes left in the spool.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from .errors import Unreachable
from .guard import strict, warn_once
from .losses import Loss, is_report
from .retry import RETRYABLE
from .run import Run
from .segment import Piece
from .store import BATCH_BYTES, Backlog, Store
from .transport import Reply, Transport

MAX_BATCH_ROWS = 1000
MAX_BATCH_BYTES = BATCH_BYTES
POISON_ATTEMPTS = 5  # 500s in a row before a batch is split to find the line that causes them
ADOPT_SECONDS = 30.0  # between two looks for what processes left that died meanwhile


@dataclass(slots=True)
class Outcome:
    """What became of a piece: events lost by reason and accepted, loss reports told and refused."""

    lost: Counter[Loss] = field(default_factory=Counter)
    accepted: int = 0
    reports: int = 0
    refused: list[bytes] = field(default_factory=list)

    def answered(self, lines: Sequence[bytes], reply: Reply) -> None:
        """The collector stored the lines, but for those that it rejected."""
        reports = sum(map(is_report, lines))
        rejected = Counter(map(Loss.rejection, reply.rejected[: len(lines) - reports]))
        self.reports += reports
        self.accepted += len(lines) - reports - rejected.total()
        self.lost += rejected

    def lose(self, lines: Sequence[bytes], reason: Loss) -> None:
        """The lines are lost; what reports among them say is to be told again."""
        self.refused += filter(is_report, lines)
        self.lost[reason] += sum(not is_report(line) for line in lines)


class Sender:
    """Sends what is in `store` through `transport`; counts what it loses."""

    def __init__(
        self,
        transport: Transport,
        store: Store,
        run: Run,
        *,
        flush_seconds: float,
        schedule: Callable[[int, float | None], float],
    ) -> None:
        self.bell: SimpleQueue[None] = SimpleQueue()
        self._transport = transport
        self._store = store
        self._shared = run
        self._flush_seconds = flush_seconds
        self._schedule = schedule
        self._adopt_from = float("-inf")

    def work(self) -> None:
        """The thread's life."""
        while self._shared.deadline is None:
            self._adopt()
            if not self._store.rows:
                self._wait(ADOPT_SECONDS if self._store.spool else None)
            self._linger()
            self.pass_guarded()

    def finish(self, scribe: threading.Thread | None) -> None:
        """The thread's last pass, once the scribe is done."""
        self._adopt()
        if scribe is not None:
            scribe.join(self._shared.left())
        self.pass_guarded()

    def _adopt(self) -> None:
        spool = self._store.spool
        if spool is None:
            return
        again = spool.more and not spool.orphans.rows
        if again or time.monotonic() >= self._adopt_from:
            self._adopt_from = time.monotonic() + ADOPT_SECONDS
            self._shared.lose(Loss.SPOOL_DAMAGED, spool.adopt())

    def _wait(self, seconds: float | None) -> None:
        with contextlib.suppress(Empty):
            self.bell.get(timeout=seconds)

    def _linger(self) -> None:
        """Let a batch fill up."""
        until = time.monotonic() + self._flush_seconds
        while self._store.rows and not self._store.has_batch and not self._shared.hurried:
            left = until - time.monotonic()
            if left <= 0:
                return
            self._wait(left)

    # ------------------------------------------------------------ delivering

    def pass_guarded(self) -> None:
        """Deliver until the store is empty or time is up."""
        run = self._shared
        turn = run.written
        while run.left() and (taken := self._take(turn)):
            backlog, piece = taken
            if not self._deliver_guarded(backlog, piece):
                return
        run.see(turn)

    def _take(self, turn: int) -> tuple[Backlog, Piece] | None:
        hurried = self._shared.hurried
        taken = self._store.take(MAX_BATCH_ROWS, MAX_BATCH_BYTES, own=hurried)
        if hurried and taken is not None and not taken[0].own:
            self._shared.see(turn)  # nobody waits for what others left
        return taken

    def _deliver_guarded(self, backlog: Backlog, piece: Piece) -> bool:
        """Whether `piece` is delivered or lost; False when time is up.

        It is acknowledged before it counts: who waits for the count may end the process.
        """
        outcome = Outcome(Counter({Loss.SPOOL_DAMAGED: piece.damaged}))
        failed: Exception | None = None
        try:
            if not self._deliver(piece.lines, outcome):
                return False
        except Exception as error:
            failed = error
            outcome = Outcome(Counter({Loss.INTERNAL: piece.rows}))
            warn_once("sender", f"internal error in the sender: {type(error).__name__}")
        if self._shared.abandoned:
            return False
        backlog.ack(piece)
        self._settle(outcome, backlog.own)
        if failed is not None and strict():
            raise failed
        return True

    def _settle(self, outcome: Outcome, own: bool) -> None:
        run = self._shared
        for report in outcome.refused:
            run.losses.untell(report)
        run.refused_reports += len(outcome.refused)
        for reason, count in outcome.lost.items():
            if own:
                run.settle(count, reason)
            else:
                run.lose(reason, count)
        run.accept(outcome.accepted, own=own)
        reports = outcome.reports + len(outcome.refused)
        if own and reports:
            run.count_reports(-reports)

    def _deliver(self, lines: Sequence[bytes], outcome: Outcome) -> bool:
        """Send until the lines are stored or refused. False when time is up."""
        failures = 0
        for attempt in range(sys.maxsize):
            reply = self._try(lines)
            if reply is not None and reply.understood and reply.status in (200, 422):
                outcome.answered(lines, reply)
                return True
            if reply is not None and reply.status == 413:
                return self._split(lines, Loss.TOO_LARGE, outcome)
            if reply is not None and reply.status < 500 and reply.status not in RETRYABLE:
                denied = reply.status in (401, 403)
                outcome.lose(lines, Loss.UNAUTHORIZED if denied else Loss.REFUSED)
                return True
            failures = failures + 1 if reply is not None and reply.status == 500 else 0
            if failures >= POISON_ATTEMPTS:
                return self._split(lines, Loss.SERVER_ERROR, outcome)
            if not self._shared.left():
                return False
            self._pause(self._schedule(attempt, reply.retry_after_seconds if reply else None))
        return False

    def _try(self, lines: Sequence[bytes]) -> Reply | None:
        if not lines:
            return Reply(200)
        try:
            return self._transport.send(lines)
        except Unreachable as error:
            warn_once("unreachable", f"the collector does not answer, retrying: {error}")
            return None

    def _split(self, lines: Sequence[bytes], reason: Loss, outcome: Outcome) -> bool:
        """Send halves; a batch of one line is lost for `reason`. False when time is up."""
        if len(lines) <= 1:
            outcome.lose(lines, reason)
            return True
        middle = len(lines) // 2
        return all(self._deliver(half, outcome) for half in (lines[:middle], lines[middle:]))

    def _pause(self, seconds: float) -> None:
        """Wait, but not beyond the deadline; being asked to close ends the wait once."""
        if self._shared.deadline is None:
            self._shared.stop.wait(seconds)
        else:
            time.sleep(min(seconds, self._shared.left()))
