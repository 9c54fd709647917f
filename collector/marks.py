"""Which events are scored: the marker rows in `scores`, asked from ClickHouse.

An event is *pending* until its latest marker (name `scored`, source `worker`, the current
metric-set version) has the value 1; its label is `ok` or `failed`. Marking an event unscored writes
a newer marker with the value 0: nothing is deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from .bodies import IDS, by_id
from .clickhouse import ClickHouse
from .event import id_time

METRIC_SET_VERSION = "1"
MARKER = "scored"

# An event's latest marker, for events at or after {since_time}.
LATEST = """
SELECT event_id, argMax(value, computed_at) AS done, argMax(label, computed_at) AS label,
       argMax(explanation, computed_at) AS reason, max(computed_at) AS at
FROM scores
WHERE project = {project:String} AND name = 'scored' AND source = 'worker'
  AND metric_version = {version:String} AND event_time >= {since_time:DateTime64(3, 'UTC')}
GROUP BY event_id
"""

# Events that have a marker, whatever it says.
MARKED = """
SELECT event_id FROM scores
WHERE project = {project:String} AND name = 'scored' AND source = 'worker'
  AND metric_version = {version:String} AND event_time >= {since_time:DateTime64(3, 'UTC')}
"""

ORDERED = f"""
SELECT e.id, e.id_time, m.done, m.label
FROM (
    SELECT id, id_time FROM events
    WHERE project = {{project:String}} AND kind = 'llm'
      AND id_time >= {{since_time:DateTime64(3, 'UTC')}}
      AND (id_time, id) > (UUIDv7ToDateTime({{after:UUID}}), {{after:UUID}})
      AND id_time < {{until_time:DateTime64(3, 'UTC')}}
    ORDER BY id_time, id LIMIT 1 BY id LIMIT {{limit:UInt32}}
) AS e
LEFT JOIN ({LATEST}) AS m ON m.event_id = e.id
ORDER BY e.id_time, e.id
"""


SCORED = f"""
SELECT id, min(ingested_at) AS arrived FROM events
WHERE project = {{project:String}}
  AND id_time >= {{start:DateTime64(3, 'UTC')}} AND id_time < {{end:DateTime64(3, 'UTC')}}
  AND id IN (
      SELECT event_id FROM ({LATEST}) WHERE done = 1 AND at < {{before:DateTime64(6, 'UTC')}}
  )
GROUP BY id
"""

UNMARK = f"""
INSERT INTO scores (project, event_id, name, value, source, metric_version, computed_at)
SELECT {{project:String}}, id, 'scored', 0, 'worker', {{version:String}},
       {{now:DateTime64(6, 'UTC')}}
FROM ({SCORED})
"""

QUARANTINED = f"""
SELECT event_id, reason, at FROM ({LATEST})
WHERE done = 1 AND label = 'failed' AND UUIDv7ToDateTime(event_id) < {{end:DateTime64(3, 'UTC')}}
ORDER BY at DESC, event_id LIMIT {{limit:UInt32}}
"""

FAILED = f"""
SELECT event_id FROM ({LATEST})
WHERE done = 1 AND label = 'failed' AND event_id IN {{ids:Array(UUID)}}
"""

UNMARK_FAILED = f"""
INSERT INTO scores (project, event_id, name, value, source, metric_version, computed_at)
SELECT {{project:String}}, event_id, 'scored', 0, 'worker', {{version:String}},
       {{now:DateTime64(6, 'UTC')}}
FROM ({FAILED})
"""

ARRIVAL_OF = f"SELECT min(ingested_at), count() FROM events WHERE {IDS}"

ARRIVED = """
SELECT min(ingested_at), count() FROM events
WHERE project = {project:String}
  AND id_time >= {start:DateTime64(3, 'UTC')} AND id_time < {end:DateTime64(3, 'UTC')}
"""

DONE = f"""
SELECT event_id FROM ({LATEST}) WHERE done = 1 AND event_id IN {{ids:Array(UUID)}}
"""

WEIGHTS = f"SELECT id, any(sample_weight) FROM events WHERE {IDS} GROUP BY id"


@dataclass(frozen=True, slots=True)
class Failed:
    """An event in quarantine: why, and since when."""

    id: UUID
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Marked:
    """An event in event order, and whether it is scored: "ok", "failed" or "" (pending)."""

    id: UUID
    time: datetime
    label: str


def in_order(
    clickhouse: ClickHouse, project: str, after: UUID, since: datetime, until: datetime, limit: int
) -> list[Marked]:
    """The next `limit` llm events behind `after` within [since, until), in event order."""
    rows = clickhouse.query(
        ORDERED,
        project=project,
        version=METRIC_SET_VERSION,
        after=after,
        since_time=since,
        until_time=until,
        limit=limit,
    )
    return [
        Marked(event_id, time, label if done == 1 else "") for event_id, time, done, label in rows
    ]


def scored(clickhouse: ClickHouse, project: str, ids: Sequence[str]) -> set[str]:
    """Those of the events that are scored."""
    if not ids:
        return set()
    since = id_time(min(map(UUID, ids), key=lambda i: i.int))
    found = clickhouse.query(
        DONE, project=project, version=METRIC_SET_VERSION, since_time=since, ids=list(ids)
    )
    return {str(event_id) for (event_id,) in found}


def weights(clickhouse: ClickHouse, project: str, ids: Sequence[str]) -> dict[str, float]:
    """The sample weight of each event."""
    if not ids:
        return {}
    found = clickhouse.query(WEIGHTS, **by_id(project, [UUID(event_id) for event_id in ids]))
    return {str(event_id): weight for event_id, weight in found}


def first_arrival(
    clickhouse: ClickHouse, project: str, start: datetime, end: datetime
) -> datetime | None:
    """When the first event of [start, end) arrived, scored or not; None when there is none."""
    ((first, count),) = clickhouse.query(ARRIVED, project=project, start=start, end=end)
    return first if count else None


def unmark(
    clickhouse: ClickHouse,
    project: str,
    start: datetime,
    end: datetime,
    before: datetime,
    now: datetime,
) -> int:
    """Mark the events of [start, end) that were scored before `before` as pending; their number."""
    asked = {
        "project": project,
        "version": METRIC_SET_VERSION,
        "since_time": start,
        "start": start,
        "end": end,
        "before": before,
    }
    ((count,),) = clickhouse.query(f"SELECT count() FROM ({SCORED})", **asked)
    if count:
        clickhouse.command(UNMARK, now=now, **asked)
    return int(count)


def quarantined(
    clickhouse: ClickHouse, project: str, start: datetime, end: datetime, limit: int
) -> list[Failed]:
    """The events of [start, end) that could not be scored, the newest failure first."""
    found = clickhouse.query(
        QUARANTINED,
        project=project,
        version=METRIC_SET_VERSION,
        since_time=start,
        end=end,
        limit=limit,
    )
    return [Failed(event_id, reason, at) for event_id, reason, at in found]


def arrival_of(clickhouse: ClickHouse, project: str, ids: Sequence[UUID]) -> datetime | None:
    """When the first of these events arrived; None when none of them is stored."""
    ((first, count),) = clickhouse.query(ARRIVAL_OF, **by_id(project, ids))
    return first if count else None


def unmark_failed(clickhouse: ClickHouse, project: str, ids: Sequence[UUID], now: datetime) -> int:
    """Mark those of the events that are in quarantine as pending; returns how many."""
    asked: dict[str, object] = {
        "project": project,
        "version": METRIC_SET_VERSION,
        "since_time": id_time(min(ids, key=lambda i: i.int)),
        "ids": [str(event_id) for event_id in ids],
    }
    ((count,),) = clickhouse.query(f"SELECT count() FROM ({FAILED})", **asked)
    if count:
        clickhouse.command(UNMARK_FAILED, now=now, **asked)
    return int(count)
