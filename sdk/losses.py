"""Every event that did not arrive, counted by reason.

`reported` counts go to the collector as `{"type": "loss"}` lines, so that the dashboard shows what
an app lost. Lines that the collector itself rejected are counted here too, but not reported back:
it counts them already.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum

from .encode import Dumps
from .event import OVERHEAD_BYTES
from .tally import Tally


class Loss(StrEnum):
    """Why an event (or score) was lost."""

    QUEUE_FULL = "queue_full"  # the app logs faster than the collector takes
    SPOOL_FULL = "spool_full"  # as many bytes wait on disk as DRIFTLINE_SPOOL_MAX_BYTES allows
    SPOOL_DAMAGED = "spool_damaged"  # a record on disk that is torn, or fails its checksum
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


def is_report(line: bytes) -> bool:
    """Whether an encoded line reports a loss."""
    return line.startswith((b'{"type":"loss"', b'{"type": "loss"'))


class Losses:
    """What was lost, by reason, and how much of that was told: put on the way to the collector.

    Anybody may `add`; `tell` and `untell` are for the SDK's two threads.
    """

    def __init__(self) -> None:
        self._all: Tally[Loss] = Tally()
        self._told: Counter[Loss] = Counter()
        self._seen: set[Loss] = set()
        self._lock = threading.Lock()

    def add(self, reason: Loss, count: int = 1) -> bool:
        """Count; whether this is the first loss for that reason."""
        if count <= 0:
            return False
        self._all.add(reason, count)
        first = reason not in self._seen
        self._seen.add(reason)
        return first

    def untold(self) -> Counter[Loss]:
        """What the collector has to be told."""
        with self._lock:
            untold = self._all.counts()
            untold.subtract(self._told)
        return Counter({r: n for r, n in untold.items() if n > 0 and r.reported})

    def tell(self, counts: Mapping[Loss, int]) -> None:
        """A report of this is on the way."""
        with self._lock:
            self._told.update(counts)

    def untell(self, report: bytes) -> None:
        """An encoded report was refused: what it said is to be told again."""
        said = json.loads(report)
        with self._lock:
            self._told.subtract({Loss(said["reason"]): int(said["count"])})

    def count(self, reason: Loss) -> int:
        return self._all.counts()[reason]

    def by_reason(self) -> dict[str, int]:
        return {reason.value: count for reason, count in sorted(self._all.counts().items())}
