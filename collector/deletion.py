"""A person's data leaves: events, bodies, scores, vectors, charts, lists in the control database.

The order is what makes it safe to be cut short, and to be asked for again:

1. the tombstone, so that nothing of the person comes in any more;
2. the weeks that will change, in the audit row;
3. scores and vectors, then the events they belong to, some thousands at a time; of each trace the
   events that do not name the user go first, since the others are how they are found;
4. the minutes of the rollup, computed again without them;
5. the parts that held them are rewritten, and the old ones removed from the disk.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from . import forgetting
from .batch import Batch
from .clickhouse import ClickHouse
from .ddl import statements
from .event import id_time
from .ids import new_id
from .services import Services
from .tables import DeletionRow
from .tombstones import CACHE_SECONDS, EVENT_DAYS, digest

IDS_A_STEP = 5000
ERASE_SECONDS = 600.0
WAIT_SECONDS = 60.0
DAY = timedelta(days=1)
TABLES = {"scores": "event_time", "embeddings": "event_time", "events": "id_time"}

# What is the user's: events that name the user, and those of the same traces that name nobody.
THEIRS = """
project = {project:String} AND (user_id = {user:String} OR (user_id = '' AND trace_id IN (
    SELECT trace_id FROM events WHERE project = {project:String} AND user_id = {user:String})))
"""
WEEKS = f"SELECT DISTINCT toMonday(id_time) FROM events WHERE {THEIRS} ORDER BY 1"
NEXT = f"""
SELECT id, any(trace_id), any(user_id) AS who FROM events WHERE {THEIRS}
GROUP BY id ORDER BY who != '', id LIMIT {{limit:UInt32}}
"""
OF_IDS = """
project = {project:String} AND <time> BETWEEN {first:DateTime64(3, 'UTC')}
AND {last:DateTime64(3, 'UTC')} AND <id> IN {ids:Array(UUID)}
"""
MINUTES = """
SELECT DISTINCT toDateTime64(toStartOfMinute(id_time), 0, 'UTC') FROM events
WHERE project = {project:String} AND id_time >= {start:DateTime64(3, 'UTC')}
  AND id_time < {start:DateTime64(3, 'UTC')} + INTERVAL 1 DAY
"""
REWRITING = """
SELECT count() FROM system.mutations
WHERE database = currentDatabase() AND NOT is_done AND command LIKE '%APPLY DELETED MASK%'
"""
OLD_PARTS = """
SELECT count() FROM system.parts
WHERE database = currentDatabase() AND NOT active
  AND table IN ('events', 'scores', 'embeddings') AND partition IN {names:Array(String)}
"""


@dataclass(slots=True)
class Gone:
    """What a deletion removed so far."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    weeks: set[date] = field(default_factory=set)
    days: set[datetime] = field(default_factory=set)


def delete_user(parts: Services, project: str, user: str, key_id: str) -> tuple[DeletionRow, bool]:
    """Remove a user; returns the audit row, and whether the bytes have left the disk."""
    with parts.tombstones.deleting:
        return _delete(parts, project, user, key_id)


def _delete(parts: Services, project: str, user: str, key_id: str) -> tuple[DeletionRow, bool]:
    now = parts.clock()
    parts.tombstones.add(project, "user", [user], now + DAY, keep=True)
    _let_pass(parts, project)
    row, unfinished = _audit_row(parts, project, user, key_id, now)
    gone = Gone(weeks=unfinished)
    gone.days = {_start(week) + n * DAY for week in unfinished for n in range(7)}
    found = parts.clickhouse.query(WEEKS, project=project, user=user)
    _note(parts, row, gone.weeks | {week for (week,) in found})
    _remove_all(parts, project, user, now, gone)
    _let_pass(parts, project)
    _remove_all(parts, project, user, now, gone)
    parts.tombstones.add(project, "user", [user], now, keep=True)
    _charts(parts, project, gone.days)
    erased = _erase(parts.clickhouse, project, gone.weeks)
    return _finish(parts, row, gone), erased


def _let_pass(parts: Services, project: str) -> None:
    """Wait until what came before the tombstone is stored, here and in other collectors."""
    if not parts.clickhouse.embedded:
        time.sleep(CACHE_SECONDS)
    parts.committer.submit(Batch(project)).result(WAIT_SECONDS)


# ---------------------------------------------------------------------- rows


def _remove_all(parts: Services, project: str, user: str, now: datetime, gone: Gone) -> None:
    while found := parts.clickhouse.query(NEXT, project=project, user=user, limit=IDS_A_STEP):
        ids = [event_id for event_id, _, _ in found]
        recent = now - timedelta(days=EVENT_DAYS)
        fresh = [row for row in found if id_time(row[0]) >= recent]
        parts.tombstones.add(project, "trace", [trace for _, trace, _ in fresh], now + DAY)
        parts.tombstones.add(project, "event", [str(row[0]) for row in fresh], now + DAY)
        forgetting.forget(parts.control, project, [str(event_id) for event_id in ids], now)
        _remove(parts.clickhouse, project, ids, gone)


def _remove(clickhouse: ClickHouse, project: str, ids: Sequence[UUID], gone: Gone) -> None:
    times = [id_time(event_id) for event_id in ids]
    params = {"project": project, "first": min(times), "last": max(times), "ids": list(ids)}
    for table, column in TABLES.items():
        key = "id" if table == "events" else "event_id"
        where = OF_IDS.replace("<time>", column).replace("<id>", key)
        counted = f"SELECT uniqExact({key}), count() FROM {table} WHERE {where}"
        ((events, rows),) = clickhouse.query(counted, **params)
        gone.counts[table] += events if table == "events" else rows
        if rows:
            for sql in statements(
                f"DELETE FROM {{table {table}}} WHERE {where}", clickhouse.cluster
            ):
                clickhouse.command(sql, **params)
    days = {at.replace(hour=0, minute=0, second=0, microsecond=0) for at in times}
    gone.days |= days
    gone.weeks |= {(day - timedelta(day.weekday())).date() for day in days}


def _charts(parts: Services, project: str, days: set[datetime]) -> None:
    """A minute's row of a model that is no longer in it would stay: days are computed afresh."""
    parts.rollup.forget(project, days)
    for day in days:
        minutes = parts.clickhouse.query(MINUTES, project=project, start=day)
        parts.rollup.touch(project, {minute for (minute,) in minutes})
    parts.rollup.flush()


# --------------------------------------------------------------------- bytes


def _erase(clickhouse: ClickHouse, project: str, weeks: set[date]) -> bool:
    """Rewrite the parts that hold deleted rows, and see the old ones off the disk."""
    if not project.replace("_", "").isalnum():
        raise ValueError("a project's id is letters, digits and _")
    names = [f"('{project}','{week:%Y-%m-%d}')" for week in sorted(weeks)]
    if not names:
        return True
    rewrite = ", ".join(f"APPLY DELETED MASK IN PARTITION {name}" for name in names)
    for table in TABLES:
        _alter(clickhouse, table, rewrite)
    return _rewritten(clickhouse) and _see_off(clickhouse, project, names)


def _rewritten(clickhouse: ClickHouse) -> bool:
    """Wait for all together: one by one, each waits 1.5 s for ClickHouse to look for work."""
    deadline = time.monotonic() + ERASE_SECONDS
    while True:
        ((running,),) = clickhouse.query(REWRITING)
        if not running or time.monotonic() > deadline:
            return not running
        time.sleep(0.05)


def _see_off(clickhouse: ClickHouse, project: str, names: list[str]) -> bool:
    """Dropping a partition, even one that is not there, makes ClickHouse remove old parts now."""
    deadline = time.monotonic() + ERASE_SECONDS
    while True:
        for table in TABLES:
            _alter(clickhouse, table, f"DROP PARTITION ('{project}','1970-01-05')")
        ((left,),) = clickhouse.query(OLD_PARTS, names=names)
        if not left or time.monotonic() > deadline:
            return not left
        time.sleep(0.5)


def _alter(clickhouse: ClickHouse, table: str, what: str) -> None:
    for sql in statements(f"ALTER TABLE {{table {table}}} {what}", clickhouse.cluster):
        clickhouse.command(sql)


# --------------------------------------------------------------------- audit


def _audit_row(
    parts: Services, project: str, user: str, key_id: str, now: datetime
) -> tuple[DeletionRow, set[date]]:
    """A row for this request, and the weeks of requests that were cut short."""
    hashed = digest(project, "user", user)
    query = select(DeletionRow).where(
        DeletionRow.project_id == project,
        DeletionRow.digest == hashed,
        DeletionRow.finished_at.is_(None),
    )
    with parts.control.session() as session:
        open_rows = list(session.scalars(query))
        weeks = {date.fromisoformat(week) for row in open_rows for week in row.weeks}
        if open_rows:
            return open_rows[0], weeks
        row = DeletionRow(
            id=new_id("del"),
            project_id=project,
            digest=hashed,
            key_id=key_id,
            asked_at=now,
            finished_at=None,
            weeks=[],
            events=0,
            scores=0,
            embeddings=0,
        )
        session.add(row)
        return row, weeks


def _note(parts: Services, row: DeletionRow, weeks: set[date]) -> None:
    with parts.control.session() as session:
        session.get_one(DeletionRow, row.id).weeks = [str(week) for week in sorted(weeks)]


def _finish(parts: Services, row: DeletionRow, gone: Gone) -> DeletionRow:
    with parts.control.session() as session:
        stored = session.get_one(DeletionRow, row.id)
        stored.weeks = [str(week) for week in sorted(gone.weeks)]
        stored.events = stored.events + gone.counts["events"]
        stored.scores = stored.scores + gone.counts["scores"]
        stored.embeddings = stored.embeddings + gone.counts["embeddings"]
        stored.finished_at = parts.clock()
        return stored


def _start(week: date) -> datetime:
    return datetime(week.year, week.month, week.day, tzinfo=UTC)
