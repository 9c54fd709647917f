"""`events_minute`, kept equal to what the events of each minute say.

A row is a pure function of the stored events of its minute and dimensions, so it is computed again
from them whenever a minute gains events, and replaces itself. Retries, restarts and kill -9 cannot
make it wrong; what a crash left behind is found by comparing counts, and computed then.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta

import structlog

from .batch import EventLine
from .clickhouse import ClickHouse
from .clock import Clock
from .ddl import statements
from .errors import StoreError
from .event import minute_of

MINUTES_PER_STATEMENT = 500
REPAIR_SECONDS = 600.0
REST_SHARE = 9  # a flush of n seconds is followed by 9n of rest: at most a tenth of the time
MINUTE = timedelta(minutes=1)
log = structlog.get_logger(__name__)

COMPUTE = """
INSERT INTO events_minute
SELECT project, toStartOfMinute(id_time) AS minute, environment, model, variant, kind, status,
       provider, count(), sum(input_tokens), sum(output_tokens), sum(ifNull(cost, 0)),
       sumMap([CAST(cost_source, 'String')], [toUInt64(1)], [input_tokens], [output_tokens],
              [ifNull(cost, 0)]),
       sum(sample_weight), sumIf(sample_weight, status = 'error'),
       sum(sample_weight * input_tokens), sum(sample_weight * output_tokens),
       sum(sample_weight * ifNull(cost, 0)),
       quantilesTDigestStateIf(0.5, 0.95)(toFloat32(latency_ms), latency_ms > 0),
       {now:DateTime64(6, 'UTC')}
FROM events FINAL
WHERE project = {project:String} AND id_time >= {first:DateTime64(3, 'UTC')}
  AND id_time < {last:DateTime64(3, 'UTC')} + INTERVAL 1 MINUTE
  AND toStartOfMinute(id_time) IN {minutes:Array(DateTime('UTC'))}
GROUP BY project, minute, environment, model, variant, kind, status, provider
"""
FORGET = """
DELETE FROM {table events_minute} WHERE project = {project:String}
AND toStartOfDay(minute) IN {days:Array(DateTime('UTC'))}
"""
DIFFERENT = """
SELECT project, minute FROM (
    SELECT project, toDateTime64(toStartOfMinute(id_time), 0, 'UTC') AS minute,
           toInt64(count()) AS events
    FROM events GROUP BY project, minute
    UNION ALL
    SELECT project, minute, -toInt64(sum(events)) FROM events_minute FINAL GROUP BY project, minute
)
GROUP BY project, minute HAVING sum(events) != 0
"""


class Rollup:
    """Computes dirty minutes every `seconds`, and before a read that asks for it."""

    def __init__(self, clickhouse: ClickHouse, clock: Clock, seconds: float) -> None:
        self._clickhouse = clickhouse
        self._clock = clock
        self._seconds = seconds
        self._dirty: dict[str, set[datetime]] = defaultdict(set)
        self._mutex = threading.Lock()
        self._one_at_a_time = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rollup", daemon=True)

    def start(self) -> None:
        """Repair what an earlier process left behind, then keep up, in a thread."""
        self._thread.start()

    def stored(self, project: str, events: Sequence[EventLine]) -> None:
        """Note that these events became durable."""
        self.touch(project, {minute_of(event.id) for event in events})

    def touch(self, project: str, minutes: set[datetime]) -> None:
        """Note that the events of these minutes changed, or that some are gone."""
        with self._mutex:
            self._dirty[project] |= minutes

    def forget(self, project: str, days: Collection[datetime]) -> None:
        """Remove the rows of these days: their events are gone, or will be computed again.

        Nothing that began to compute before may write after it, so it waits for that.
        """
        if not days:
            return
        names = [day.strftime("%Y-%m-%d %H:%M:%S") for day in days]
        with self._one_at_a_time:
            for statement in statements(FORGET, self._clickhouse.cluster):
                self._clickhouse.command(statement, project=project, days=names)

    def flush(self) -> None:
        """Compute every dirty minute now. Raises StoreError; the minutes then stay dirty."""
        with self._one_at_a_time:
            with self._mutex:
                dirty, self._dirty = self._dirty, defaultdict(set)
            try:
                self._compute(dirty.items())
            except StoreError:
                self._put_back(dirty)
                raise

    def repair(self) -> int:
        """Mark the minutes whose rows do not add up to their events; returns how many.

        A copy of an event counts until a merge takes it: its minute is computed once too often.
        """
        different = self._clickhouse.query(DIFFERENT)
        with self._mutex:
            for project, minute in different:
                self._dirty[project].add(minute)
        return len(different)

    def close(self) -> None:
        """Compute what is dirty, and stop."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        self._try(self.flush)

    def _run(self) -> None:
        repaired = float("-inf")
        while not self._closing.is_set():
            began = time.monotonic()
            if began - repaired >= REPAIR_SECONDS:
                self._try(self.repair)
                repaired = began
            self._try(self.flush)
            spent = time.monotonic() - began
            self._closing.wait(max(self._seconds, REST_SHARE * spent))

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except StoreError as error:
            log.error("rollup_failed", error=str(error))

    def _put_back(self, dirty: dict[str, set[datetime]]) -> None:
        with self._mutex:
            for project, minutes in dirty.items():
                self._dirty[project] |= minutes

    def _compute(self, dirty: Iterable[tuple[str, set[datetime]]]) -> None:
        for project, minutes in dirty:
            ordered = sorted(minutes)
            for at in range(0, len(ordered), MINUTES_PER_STATEMENT):
                self._compute_minutes(project, ordered[at : at + MINUTES_PER_STATEMENT])

    def _compute_minutes(self, project: str, minutes: Sequence[datetime]) -> None:
        self._clickhouse.command(
            COMPUTE,
            project=project,
            first=minutes[0],
            last=minutes[-1],
            minutes=[minute.strftime("%Y-%m-%d %H:%M:%S") for minute in minutes],
            now=self._clock(),
        )
