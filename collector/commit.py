"""Group commit: many requests, one writer, one insert; a request is answered when it is durable.

While one group is being inserted the next one gathers, so groups grow with the load. An insert
costs as much before its first row as some 300 rows do, so the writer also waits a moment for
requests that are being decoded; an idle collector adds no delay. Over its bounds the queue refuses
(503, the sender keeps its events).
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import structlog

from .batch import Batch, EventLine, Outcome, Refusal, ScoreLine
from .clickhouse import ClickHouse, Row
from .clock import Clock
from .errors import BadRows, Overloaded, StoreError
from .event import Drop
from .known import KnownIds
from .meters import Meters

GROUP_ROWS = 20_000
GROUP_BYTES = 64 * 2**20
LINGER_SECONDS = 0.03  # for requests that are being decoded, from the oldest batch on
ENOUGH_ROWS = 2_000  # are worth an insert without them
log = structlog.get_logger(__name__)
Stored = Callable[[str, Sequence[EventLine]], None]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may wait: rows, bytes, and seconds for the oldest."""

    rows: int
    bytes: int
    seconds: float


@dataclass(slots=True)
class _Waiting:
    batch: Batch
    since: float
    future: Future[Outcome] = field(default_factory=Future)
    outcome: Outcome = field(default_factory=Outcome)


class Committer:
    """The one writer of events and of scores that senders report.

    `on_stored(project, events)` is called in the writer's thread after events became durable;
    `coming` tells whether requests are being decoded.
    """

    def __init__(
        self,
        clickhouse: ClickHouse,
        meters: Meters,
        bounds: Bounds,
        clock: Clock,
        on_stored: Stored,
        coming: Callable[[], bool] = lambda: False,
    ) -> None:
        self._clickhouse = clickhouse
        self._meters = meters
        self._bounds = bounds
        self._clock = clock
        self._on_stored = on_stored
        self._coming = coming
        self._known = KnownIds(clickhouse)
        self._queue: list[_Waiting] = []
        self._rows = self._bytes = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="commit", daemon=True)
        self._thread.start()

    def admit(self) -> None:
        """Refuse a request before its body is decoded. Raises Overloaded when the queue is full.

        Decoding costs more than a refusal: without this an overloaded collector would spend its
        time on lines that it then refuses.
        """
        with self._changed:
            self._refuse_over_bounds(Batch(""))

    def submit(self, batch: Batch) -> Future[Outcome]:
        """Queue a batch. The future ends when it is durable, with StoreError when it is not.

        Raises Overloaded when the queue is full, slow or closing.
        """
        with self._changed:
            self._refuse_over_bounds(batch)
            waiting = _Waiting(batch, time.monotonic())
            self._queue.append(waiting)
            self._count(batch, 1)
            self._changed.notify()
        return waiting.future

    def close(self) -> None:
        """Store what waits, then stop; batches that come later are refused."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _refuse_over_bounds(self, batch: Batch) -> None:
        if self._closing:
            raise Overloaded("the collector is stopping; try again")
        over = self._rows + batch.rows > self._bounds.rows
        over = over or self._bytes + batch.size > self._bounds.bytes
        if self._queue and over:
            raise Overloaded("too many events wait to be stored; try again")
        if self._queue and time.monotonic() - self._queue[0].since > self._bounds.seconds:
            raise Overloaded("the database is slow; try again")

    def _count(self, batch: Batch, sign: int) -> None:
        self._rows += sign * batch.rows
        self._bytes += sign * batch.size
        self._meters.queue_rows.set(self._rows)
        self._meters.queue_bytes.set(self._bytes)

    # --------------------------------------------------------- the writer's thread

    def _run(self) -> None:
        while group := self._next_group():
            self._commit(group)
            with self._changed:
                for waiting in group:
                    self._count(waiting.batch, -1)

    def _next_group(self) -> list[_Waiting]:
        """The batches to commit together, or none when closing."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            while (pause := self._pause()) > 0:
                self._changed.wait(pause)
            rows = size = taken = 0
            for waiting in self._queue:
                rows, size = rows + waiting.batch.rows, size + waiting.batch.size
                if taken and (rows > GROUP_ROWS or size > GROUP_BYTES):
                    break
                taken += 1
            group, self._queue = self._queue[:taken], self._queue[taken:]
            return group

    def _pause(self) -> float:
        """Seconds that it is worth waiting for more."""
        if not self._queue or self._closing or not self._coming():
            return 0.0
        if sum(waiting.batch.rows for waiting in self._queue) >= ENOUGH_ROWS:
            return 0.0
        return self._queue[0].since + LINGER_SECONDS - time.monotonic()

    def _commit(self, gathered: list[_Waiting]) -> None:
        """Store the batches that somebody still waits for; a sender that left will send again."""
        group = [waiting for waiting in gathered if waiting.future.set_running_or_notify_cancel()]
        try:
            with self._meters.commit_seconds.time():
                self._store(group)
        except StoreError as error:
            log.error("commit_failed", batches=len(group), error=str(error))
            _fail(group, error)
        except Exception as error:
            log.exception("commit_broke", batches=len(group), kind=type(error).__name__)
            _fail(group, StoreError("the commit failed"))
        else:
            for waiting in group:
                waiting.future.set_result(waiting.outcome)

    def _store(self, group: list[_Waiting]) -> None:
        for project, batches in _by_project(group):
            self._store_events(project, batches)
            self._store_scores(project, batches)
        self._store_counts(group)

    def _store_events(self, project: str, group: Sequence[_Waiting]) -> None:
        """Insert what is new, once; count the rest as duplicates."""
        lines = [(waiting, line) for waiting in group for line in waiting.batch.events]
        seen = self._known.stored(project, {line.id for _, line in lines})
        owners: dict[int, _Waiting] = {}
        fresh: list[EventLine] = []
        for waiting, line in lines:
            if line.id in seen:
                waiting.outcome.duplicates += 1
                continue
            seen.add(line.id)
            owners[id(line)] = waiting
            fresh.append(line)
        try:
            refused = self._insert_events(fresh)
        except BaseException:
            self._known.doubt(project, [line.id for line in fresh])
            raise
        for line in fresh:
            _settle(owners[id(line)].outcome, line.line, refused.get(id(line)))
        stored = [line for line in fresh if id(line) not in refused]
        self._known.remember(project, [line.id for line in stored])
        if stored:
            self._on_stored(project, stored)

    def _insert_events(self, lines: Sequence[EventLine]) -> dict[int, Drop]:
        """Insert lines; a refused insert is halved until the rows at fault are alone.

        Returns the drop of each refused line, by the line's identity.
        """
        if not lines:
            return {}
        try:
            self._clickhouse.insert_lines("events", b"\n".join(line.row for line in lines))
            return {}
        except BadRows as error:
            if len(lines) == 1:
                return {id(lines[0]): _refusal(str(lines[0].id), error)}
        middle = len(lines) // 2
        return {**self._insert_events(lines[:middle]), **self._insert_events(lines[middle:])}

    def _store_scores(self, project: str, group: Sequence[_Waiting]) -> None:
        lines = [(waiting, line) for waiting in group for line in waiting.batch.scores]
        weights = self._known.weights(project, {line.score.event_id for _, line in lines})
        now = self._clock()
        rows = [
            _score_row(project, line, weights.get(line.score.event_id, 1.0), now)
            for _, line in lines
        ]
        refused = self._insert_scores(rows, 0)
        for at, (waiting, line) in enumerate(lines):
            _settle(waiting.outcome, line.line, refused.get(at))

    def _insert_scores(self, rows: Sequence[Row], start: int) -> dict[int, Drop]:
        """As `_insert_events`, for scores: the drop of each refused row, by its place."""
        try:
            self._clickhouse.insert("scores", rows)
            return {}
        except BadRows as error:
            if len(rows) == 1:
                return {start: _refusal(str(rows[0]["event_id"]), error)}
        middle = len(rows) // 2
        return {
            **self._insert_scores(rows[:middle], start),
            **self._insert_scores(rows[middle:], start + middle),
        }

    def _store_counts(self, group: Sequence[_Waiting]) -> None:
        """Keep what was not stored, by reason, before the sender hears of it."""
        counts: Counter[tuple[str, str, str]] = Counter()
        for waiting in group:
            project, outcome = waiting.batch.project, waiting.outcome
            counts[project, "duplicate", "duplicate"] += outcome.duplicates
            for reason, count in waiting.batch.dropped.items():
                counts[project, "dropped", reason] += count
            for refusal in outcome.refused:
                counts[project, "dropped", refusal.drop.reason] += 1
            for reason, count in waiting.batch.lost.items():
                counts[project, "lost", reason] += count
        rows = [
            {"project": project, "kind": kind, "reason": reason, "count": count}
            for (project, kind, reason), count in counts.items()
            if count
        ]
        self._clickhouse.insert("ingest_counts", rows)


def _by_project(group: Iterable[_Waiting]) -> Iterable[tuple[str, list[_Waiting]]]:
    found: dict[str, list[_Waiting]] = defaultdict(list)
    for waiting in group:
        found[waiting.batch.project].append(waiting)
    return found.items()


def _fail(group: Iterable[_Waiting], error: StoreError) -> None:
    for waiting in group:
        waiting.future.set_exception(error)


def _settle(outcome: Outcome, line: int, drop: Drop | None) -> None:
    if drop is None:
        outcome.accepted += 1
    else:
        outcome.refused.append(Refusal(line, drop))


def _refusal(event_id: str, error: BadRows) -> Drop:
    return Drop("invalid_field", "", f"the database refused it: {error}"[:200], event_id)


def _score_row(project: str, line: ScoreLine, weight: float, now: object) -> Row:
    score = line.score
    return {
        "project": project,
        "event_id": score.event_id,
        "name": score.name,
        "value": score.value,
        "label": score.label,
        "explanation": score.explanation,
        "spans": score.spans,
        "source": score.source,
        "sample_weight": weight,
        "computed_at": now,
    }
