"""Every event that did not arrive, counted by reason.

`reported` counts go to the collector as `{"type": "loss"}` lines, so that the dashboard shows what
an app lost. Lines that the collector itself rejected are counted here too, but not reported back:
it counts them already.
"""

from __future__ import annotations

import threading
from collections import Counter
from enum import StrEnum

from .encode import Dumps
from .event import OVERHEAD_BYTES


class Loss(StrEnum):
    """Why an event (or score) was lost."""

    QUEUE_FULL = "queue_full"  # the app logs faster than the collector takes
    TOO_LARGE = "too_large"  # one line over the collector's limit, even after truncation
    UNSERIALISABLE = "unserialisable"  # no JSON could be made of it
    INVALID = "invalid"  # a call with wrong arguments
    CLOSED = "closed"  # logged after shutdown()
    SHUTDOWN_TIMEOUT = "shutdown_timeout"  # not delivered in the time that shutdown had
    UNAUTHORIZED = "unauthorized"  # 401, 403: check DRIFTLINE_API_KEY
    REFUSED = "refused"  # another 4xx for the whole request
    SERVER_ERROR = "server_error"  # this one line makes the collector fail, again and again
    INTERNAL = "internal"  # a bug of ours
    REJECTED = "rejected"  # the collector rejected the line, for a reason we do not know
    REJECTED_INVALID_JSON = "rejected_invalid_json"
    REJECTED_INVALID_UTF8 = "rejected_invalid_utf8"
    REJECTED_NOT_AN_OBJECT = "rejected_not_an_object"
    REJECTED_MISSING_FIELD = "rejected_missing_field"
    REJECTED_INVALID_FIELD = "rejected_invalid_field"
    REJECTED_INVALID_ID = "rejected_invalid_id"
    REJECTED_TIME_OUT_OF_RANGE = "rejected_time_out_of_range"
    REJECTED_LINE_TOO_LARGE = "rejected_line_too_large"

    @property
    def reported(self) -> bool:
        """Whether the collector has to be told."""
        return not self.value.startswith("rejected")

    @classmethod
    def rejection(cls, reason: str) -> Loss:
        """The loss for one of the collector's reasons."""
        try:
            return cls(f"rejected_{reason}")
        except ValueError:
            return cls.REJECTED


class LossLine:
    """A report of losses. Its id makes a report that is sent twice count once."""

    __slots__ = ("count", "id", "reason", "size")

    def __init__(self, id: str, reason: Loss, count: int) -> None:
        self.id = id
        self.reason = reason
        self.count = count
        self.size = OVERHEAD_BYTES

    def encode(self, dumps: Dumps) -> bytes:
        fields = {"type": "loss", "id": self.id, "reason": self.reason.value, "count": self.count}
        return dumps(fields)


class Losses:
    """Thread-safe counters: all of them, and those the collector has not been told yet."""

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Start from zero: the parent counts its own."""
        self._lock = threading.RLock()  # re-entrant: a finaliser may count while we count
        self._all: Counter[Loss] = Counter()
        self._unreported: Counter[Loss] = Counter()

    def add(self, reason: Loss, count: int = 1) -> bool:
        """Count; whether this is the first loss for that reason."""
        if count <= 0:
            return False
        with self._lock:
            first = reason not in self._all
            self._all[reason] += count
            if reason.reported:
                self._unreported[reason] += count
        return first

    def take_unreported(self) -> Counter[Loss]:
        """What has to be told, and is forgotten here; `put_back` when telling failed."""
        with self._lock:
            taken, self._unreported = self._unreported, Counter()
        return taken

    def put_back(self, counts: Counter[Loss]) -> None:
        with self._lock:
            self._unreported.update(counts)

    @property
    def unreported(self) -> bool:
        return bool(self._unreported)

    def by_reason(self) -> dict[str, int]:
        with self._lock:
            return {reason.value: count for reason, count in sorted(self._all.items())}
