"""What the app's threads, the scribe and the sender share: what is asked, what is done."""

from __future__ import annotations

import threading
import time

from .guard import warn_once
from .losses import Loss, Losses


class Run:
    """One life of a worker: from its start, or a fork, to its close."""

    def __init__(self, losses: Losses) -> None:
        self.losses = losses
        self.changed = threading.Condition()
        self.stop = threading.Event()
        self.deadline: float | None = None  # when closing must be over, on the monotonic clock
        self.flushes = 0  # callers of flush that wait now
        self.direct = 0  # lines that went past the buffer
        self.settled = 0  # lines of this process that are delivered or lost, after submission
        self.accepted = 0
        self.replayed = 0  # accepted lines of processes before this one
        self.reports = 0  # loss reports on the way
        self.refused_reports = 0
        self.begun = 0  # the scribe's turns
        self.written = 0  # the last turn that is over
        self.seen = 0  # the last turn whose lines the sender has worked off
        self.abandoned = False

    @property
    def hurried(self) -> bool:
        """Whether somebody waits."""
        return self.deadline is not None or self.flushes > 0

    def left(self) -> float:
        """Seconds until closing must be over; without end while nobody closes."""
        deadline = self.deadline
        return float("inf") if deadline is None else max(0.0, deadline - time.monotonic())

    def lose(self, reason: Loss, count: int) -> None:
        """Count, and say so the first time."""
        if self.losses.add(reason, count):
            warn_once(
                f"loss {reason}", f"events are being lost: {reason} (driftline.stats() counts)"
            )

    def settle(self, count: int, lost: Loss | None = None) -> None:
        """`count` more lines of this process are delivered, or lost."""
        if self.abandoned or not count:
            return
        if lost is not None:
            self.lose(lost, count)
        with self.changed:
            self.settled += count
            self.changed.notify_all()

    def accept(self, count: int, *, own: bool) -> None:
        """The collector stored `count` lines."""
        if self.abandoned:
            return
        if own:
            self.accepted += count
            self.settle(count)
        else:
            self.replayed += count

    def count_reports(self, change: int) -> None:
        """Loss reports set out, or came home."""
        with self.changed:
            self.reports += change
            self.changed.notify_all()

    def see(self, turn: int) -> None:
        """The sender has worked off what the scribe wrote up to `turn`."""
        with self.changed:
            self.seen = max(self.seen, turn)
            self.changed.notify_all()
