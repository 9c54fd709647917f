"""Full events, with their bodies, by id: the one read that touches the wide columns."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from driftline.sdk import records as r

from . import rows
from .clickhouse import ClickHouse
from .event import id_time

# A look-up by id is a look-up by the sort key (project, id_time, id), since the id holds its time;
# by the exact times too, so that ids far apart do not cost what lies between them.
TIMES = "(SELECT UUIDv7ToDateTime(arrayJoin({ids:Array(UUID)}), 'UTC'))"
IDS = f"""
project = {{project:String}} AND id_time BETWEEN {{first:DateTime64(3, 'UTC')}}
AND {{last:DateTime64(3, 'UTC')}} AND id_time IN {TIMES} AND id IN {{ids:Array(UUID)}}
"""
SELECT = f"SELECT {rows.WHOLE} FROM events WHERE {IDS} LIMIT 1 BY id"


def read_bodies(
    clickhouse: ClickHouse, project: str, ids: Sequence[UUID] | Sequence[str]
) -> list[r.Event]:
    """The events of a project in the order asked; ids that are not stored are left out."""
    wanted = [UUID(str(event_id)) for event_id in ids]
    if not wanted:
        return []
    found = clickhouse.rows(SELECT, **by_id(project, wanted))
    events = {row["id"]: rows.event(row) for row in found}
    return [events[event_id] for event_id in wanted if event_id in events]


def traces_of(clickhouse: ClickHouse, project: str, ids: Sequence[str]) -> list[str]:
    """The traces of these events, each once, in the order of the events."""
    wanted = [UUID(event_id) for event_id in ids]
    if not wanted:
        return []
    sql = f"SELECT id, any(trace_id) FROM events WHERE {IDS} GROUP BY id"
    found = dict(clickhouse.query(sql, **by_id(project, wanted)))
    return list(dict.fromkeys(found[event_id] for event_id in wanted if event_id in found))


def by_id(project: str, ids: Sequence[UUID]) -> dict[str, object]:
    """The parameters of a look-up by id; `ids` must not be empty."""
    return {
        "project": project,
        "first": id_time(min(ids, key=lambda i: i.int)),
        "last": id_time(max(ids, key=lambda i: i.int)),
        "ids": [str(event_id) for event_id in ids],
    }
