"""Which events wait to be scored: what leases and the watermark ask of ClickHouse.

Every search goes slice by slice and stops at what it needs, so that one lease out of a backlog of
millions costs what one out of a hundred costs. `since` is the watermark: whatever arrived before it
is scored, so it bounds all of them when workers keep up.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from .clickhouse import ClickHouse
from .marks import LATEST, MARKED, METRIC_SET_VERSION
from .reach import reach
from .window import LAST, Window

SLICE_EVENTS = 20_000
SLICE_WIDTH = timedelta(minutes=1)
WIDER = 8  # times the slice before, when that held nothing
SPARE_ROWS = 16  # for copies of rows that are not merged yet
MANY_EVENTS = 200_000  # when more arrived, asking what of it is pending costs more than trying

# In the order of the sort key, so that reading stops at the first that arrived in time.
FIRST = """
SELECT id_time FROM events
WHERE project = {project:String} AND ingested_at >= {since:DateTime64(6, 'UTC')}
  AND ingested_at < {until:DateTime64(6, 'UTC')}
ORDER BY id_time LIMIT 1
"""

# Never marked, and made just now: `since_time` is when "now" begins.
FRESH = f"""
SELECT id FROM events
WHERE project = {{project:String}} AND ingested_at >= {{since:DateTime64(6, 'UTC')}}
  AND id_time >= {{since_time:DateTime64(3, 'UTC')}}
  AND id NOT IN ({MARKED}) AND id NOT IN {{held:Array(UUID)}}
GROUP BY id ORDER BY UUIDv7ToDateTime(id), id LIMIT {{limit:UInt32}}
"""

# All that is pending and not fresh: made before {fresh_from}, or marked before (rescored, retried).
UNTIL = "AND event_time < {until_time:DateTime64(3, 'UTC')}"
DONE_WITHIN = f"SELECT event_id FROM ({LATEST.replace('GROUP BY', f'{UNTIL} GROUP BY')})"
OLDEST = f"""
SELECT id FROM events
WHERE project = {{project:String}} AND ingested_at >= {{since:DateTime64(6, 'UTC')}}
  AND id_time >= {{since_time:DateTime64(3, 'UTC')}}
  AND id_time < {{until_time:DateTime64(3, 'UTC')}}
  AND id NOT IN ({DONE_WITHIN} WHERE done = 1) AND id NOT IN {{held:Array(UUID)}}
  AND (id_time < {{fresh_from:DateTime64(3, 'UTC')}} OR id IN ({MARKED} {UNTIL}))
ORDER BY id_time, id LIMIT {{limit:UInt32}}
"""

NEXT_ARRIVAL = """
SELECT min(ingested_at), count() FROM events
WHERE project = {project:String} AND ingested_at >= {since:DateTime64(6, 'UTC')}
"""
FIRST_PENDING = f"""
SELECT min(ingested_at), count() FROM events
WHERE project = {{project:String}} AND ingested_at >= {{since:DateTime64(6, 'UTC')}}
  AND ingested_at < {{until:DateTime64(6, 'UTC')}}
  AND id NOT IN (SELECT event_id FROM ({LATEST}) WHERE done = 1)
"""

# Of many projects at once; a project's own `since` is at its place in {since}, in microseconds.
HAVING_FRESH = """
SELECT DISTINCT project FROM events
WHERE project IN {projects:Array(String)} AND id_time >= {since_time:DateTime64(3, 'UTC')}
  AND (project, id) NOT IN (
      SELECT project, event_id FROM scores
      WHERE project IN {projects:Array(String)} AND name = 'scored' AND source = 'worker'
        AND metric_version = {version:String} AND event_time >= {since_time:DateTime64(3, 'UTC')}
  )
"""
ARRIVED_SINCE = """
project IN {projects:Array(String)} AND ingested_at >= {first:DateTime64(6, 'UTC')}
AND toUnixTimestamp64Micro(ingested_at)
    >= arrayElement({since:Array(Int64)}, indexOf({projects:Array(String)}, project))
"""
FIRST_TIMES = f"""
SELECT min(id_time), count()
FROM (SELECT id_time FROM events WHERE {ARRIVED_SINCE} LIMIT {{many:UInt64}})
"""
HAVING_ARRIVED = f"""
SELECT DISTINCT project FROM events WHERE {ARRIVED_SINCE} LIMIT {{count:UInt64}}
"""
HAVING_PENDING = f"""
SELECT DISTINCT project FROM events
WHERE {ARRIVED_SINCE} AND (project, id) NOT IN (
    SELECT project, event_id FROM scores
    WHERE project IN {{projects:Array(String)}} AND name = 'scored' AND source = 'worker'
      AND metric_version = {{version:String}} AND event_time >= {{since_time:DateTime64(3, 'UTC')}}
    GROUP BY project, event_id HAVING argMax(value, computed_at) = 1
)
"""


def fresh(
    clickhouse: ClickHouse,
    project: str,
    since: datetime,
    fresh_from: datetime,
    held: Collection[UUID],
    limit: int,
) -> list[UUID]:
    """The oldest events made at or after `fresh_from` that were never marked; none `held`."""
    found = clickhouse.query(
        FRESH,
        project=project,
        version=METRIC_SET_VERSION,
        since=since,
        since_time=fresh_from,
        held=list(held),
        limit=limit,
    )
    return [event_id for (event_id,) in found]


def oldest(
    clickhouse: ClickHouse,
    project: str,
    since: datetime,
    fresh_from: datetime,
    held: Collection[UUID],
    limit: int,
) -> list[UUID]:
    """The oldest pending events that are not `fresh`, of those that arrived at or after `since`."""
    after = _first_time(clickhouse, project, since, LAST)
    events, found = SLICE_EVENTS, dict[UUID, None]()
    while after is not None and len(found) < limit:
        until = reach(clickhouse, project, Window(after, LAST), events, newest_first=False)
        if until == after:  # more than a slice in one millisecond
            events *= WIDER
            continue
        slice_of = clickhouse.query(
            OLDEST,
            project=project,
            version=METRIC_SET_VERSION,
            since=since,
            since_time=after,
            until_time=until or LAST,
            fresh_from=fresh_from,
            held=list(held),
            limit=limit + SPARE_ROWS,
        )
        found |= {event_id: None for (event_id,) in slice_of}
        after, events = until, events * WIDER
    return list(found)[:limit]


def scored_until(
    clickhouse: ClickHouse, project: str, since: datetime, safe: datetime, seconds: float
) -> datetime:
    """Everything that arrived before this, at most `safe`, is scored.

    Looks at a slice at least, and on as long as `seconds` are likely to do for the next one, which
    is so much wider; what it did not come to is for the next time.
    """
    began, width = time.monotonic(), SLICE_WIDTH
    ((arrived, count),) = clickhouse.query(NEXT_ARRIVAL, project=project, since=since)
    since = max(since, min(arrived, safe)) if count else max(since, safe)
    while since < safe:
        started, until = time.monotonic(), min(since + width, safe)
        pending = _first_pending(clickhouse, project, since, until)
        if pending is not None:
            return pending
        since, width = until, width * WIDER
        now = time.monotonic()
        if now - began + WIDER * (now - started) > seconds:
            break
    return since


def having_fresh(
    clickhouse: ClickHouse, since: Mapping[str, datetime], fresh_from: datetime
) -> set[str]:
    """The projects with events made at or after `fresh_from` that were never marked."""
    found = clickhouse.query(
        HAVING_FRESH, projects=list(since), version=METRIC_SET_VERSION, since_time=fresh_from
    )
    return {project for (project,) in found}


def having_pending(clickhouse: ClickHouse, since: Mapping[str, datetime]) -> set[str]:
    """The projects with pending events that arrived at or after the project's `since`.

    Where very much arrived, those with anything, pending or not.
    """
    asked = {
        "projects": list(since),
        "since": [round(time.timestamp() * 1_000_000) for time in since.values()],
        "first": min(since.values()),
    }
    ((first, count),) = clickhouse.query(FIRST_TIMES, many=MANY_EVENTS, **asked)
    if not count:
        return set()
    if count == MANY_EVENTS:
        found = clickhouse.query(HAVING_ARRIVED, count=len(since), **asked)
    else:
        found = clickhouse.query(
            HAVING_PENDING, version=METRIC_SET_VERSION, since_time=first, **asked
        )
    return {project for (project,) in found}


def _first_pending(
    clickhouse: ClickHouse, project: str, since: datetime, until: datetime
) -> datetime | None:
    """When the first pending event of those that arrived in [since, until) did."""
    first = _first_time(clickhouse, project, since, until)
    if first is None:
        return None
    ((arrived, count),) = clickhouse.query(
        FIRST_PENDING,
        project=project,
        version=METRIC_SET_VERSION,
        since=since,
        until=until,
        since_time=first,
    )
    return arrived if count else None


def _first_time(
    clickhouse: ClickHouse, project: str, since: datetime, until: datetime
) -> datetime | None:
    """The time inside the first id of those that arrived in [since, until)."""
    found = clickhouse.query(FIRST, project=project, since=since, until=until)
    return found[0][0] if found else None
