"""Old weeks of a project leave the tables: partitions are dropped whole, so their bytes go at once.

A week goes when all of it is older than the project's `retention_days`. It is kept, and said so,
while something needs its events: the drift reference (learned or pinned), a window that is not
tested yet, or the dataset of a running job. Minute rollups and drift results of the project go with
it. Everything may be done twice, and a run that was cut short is completed by the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from driftline.sdk import records as r

from .clickhouse import ClickHouse
from .clock import parse_rfc3339, rfc3339
from .control import Control
from .ddl import statements
from .event import id_time
from .services import Services
from .tables import JobRow, ProjectRow, ReferenceRow, WindowRow

WEEK = timedelta(days=7)
# A job that is only proposed holds nothing: it may wait for ever.
BUSY = ("queued", "preparing_data", "pilot", "training", "evaluating")
TABLES = {"events": "id_time", "scores": "event_time", "embeddings": "event_time"}
LEFT = {**TABLES, "events_minute": "minute"}
WEEKS = " UNION DISTINCT ".join(
    f"SELECT DISTINCT toMonday({time}) AS week FROM {table} WHERE project = {{project:String}} "
    f"AND {time} < {{before:DateTime64(3, 'UTC')}}"
    for table, time in LEFT.items()
)
# Sizes of this server's parts; partitions are named ('project','2026-11-16').
SIZES = """
SELECT toDate(substring(partition, length(partition) - 11, 10)) AS week,
       sumIf(rows, startsWith(table, 'events')), sum(bytes_on_disk)
FROM system.parts
WHERE database = currentDatabase() AND active
  AND table IN ('events', 'scores', 'embeddings', 'events_local', 'scores_local',
                'embeddings_local')
  AND startsWith(partition, concat('(\\'', {project:String}, '\\','))
GROUP BY week ORDER BY week
"""
DRIFT = (
    "DELETE FROM {table drift} WHERE project = {project:String} "
    "AND `end` >= {week:DateTime64(3, 'UTC')} AND `end` < {week:DateTime64(3, 'UTC')} "
    "+ INTERVAL 7 DAY"
)


@dataclass(frozen=True, slots=True)
class Hold:
    """Events from `start` to `end` are needed, for a reason in words."""

    start: datetime
    end: datetime
    reason: str

    def needs(self, week: date) -> bool:
        """Whether some of them are of that week."""
        monday = _start(week)
        return self.start < monday + WEEK and self.end >= monday


def report(clickhouse: ClickHouse, control: Control, project: str, now: datetime) -> r.Retention:
    """What is stored by week, and what becomes of it."""
    days, holds = _wanted(control, project)
    sizes = {week: (rows, size) for week, rows, size in clickhouse.query(SIZES, project=project)}
    weeks = [
        r.RetentionWeek(str(week), rows, size, *_fate(week, days, holds, now))
        for week, (rows, size) in sizes.items()
    ]
    return r.Retention(days, rfc3339(_cutoff(days, now)) if days else "", weeks)


def run(parts: Services, project: str) -> list[date]:
    """Drop the project's weeks that are over; returns them."""
    clickhouse, control, now = parts.clickhouse, parts.control, parts.clock()
    days, holds = _wanted(control, project)
    if not days:
        return []
    found = clickhouse.query(WEEKS, project=project, before=_cutoff(days, now))
    over = [week for (week,) in sorted(found) if _fate(week, days, holds, now)[0] == "drop"]
    for week in over:
        _drop(clickhouse, project, week)
        parts.rollup.forget(project, [_start(week) + timedelta(n) for n in range(7)])
    return over


def _drop(clickhouse: ClickHouse, project: str, week: date) -> None:
    """Drop a week of a project from every table but the rollup, which says what is left to do.

    `project` must be an id of the control database: it is written into the statement.
    """
    if not project.replace("_", "").isalnum():
        raise ValueError("a project's id is letters, digits and _")
    for sql in statements(DRIFT, clickhouse.cluster):
        clickhouse.command(sql, project=project, week=_start(week))
    for table in TABLES:
        drop = f"ALTER TABLE {{table {table}}} DROP PARTITION ('{project}', '{week:%Y-%m-%d}')"
        for sql in statements(drop, clickhouse.cluster):
            clickhouse.command(sql)


def _fate(week: date, days: int, holds: list[Hold], now: datetime) -> tuple[r.Fate, str]:
    if not days or _start(week) + WEEK > _cutoff(days, now):
        return "keep", ""
    held = next((hold.reason for hold in holds if hold.needs(week)), "")
    return ("held", held) if held else ("drop", "")


def _start(week: date) -> datetime:
    return datetime(week.year, week.month, week.day, tzinfo=UTC)


def _cutoff(days: int, now: datetime) -> datetime:
    return now - timedelta(days=days)


# ------------------------------------------------------------------ what is needed still


def _wanted(control: Control, project: str) -> tuple[int, list[Hold]]:
    """The project's days of retention, and what must not go yet."""
    with control.reading() as session:
        row = session.get_one(ProjectRow, project)
        days = r.decode_record(r.ProjectSettings, row.settings or {}).retention_days
        return days, [
            *_reference(session, row.reference_id),
            *_windows(session, project),
            *_jobs(session, project),
        ]


def _reference(session: Session, reference_id: str) -> list[Hold]:
    row = session.get(ReferenceRow, reference_id) if reference_id else None
    return _of(row.event_ids, "the drift reference") if row else []


def _windows(session: Session, project: str) -> list[Hold]:
    waiting = select(WindowRow).where(WindowRow.project_id == project, WindowRow.state != "done")
    return [
        hold
        for window in session.scalars(waiting)
        for hold in _of(window.event_ids, "a drift window that is not tested yet")
    ]


def _jobs(session: Session, project: str) -> list[Hold]:
    """A queued or running job reads the traffic of `spec.since..until`; without them, all."""
    query = select(JobRow).where(JobRow.project_id == project, JobRow.state.in_(BUSY))
    holds = []
    for job in session.scalars(query):
        since, until = job.spec.get("since"), job.spec.get("until")
        start = parse_rfc3339(since) if since else datetime.min.replace(tzinfo=UTC)
        end = parse_rfc3339(until) if until else datetime.max.replace(tzinfo=UTC)
        holds.append(Hold(start, end, f"the job {job.id}"))
    return holds


def _of(event_ids: list[str], reason: str) -> list[Hold]:
    times = [id_time(UUID(event_id)) for event_id in event_ids]
    return [Hold(min(times), max(times), reason)] if times else []
