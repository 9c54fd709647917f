"""Questions about stored events and their scores. Every answer is of one project and bounded.

Rows of one id are the same row until a merge removes the copies, so lists take one of each id; the
sort key (project, id_time, id) makes a look-up by id a look-up by key, since the id holds its time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from driftline.sdk import records as r

from . import rows
from .aggregate import FIRST
from .bodies import IDS, TIMES, by_id, read_bodies
from .clickhouse import ClickHouse
from .event import id_time
from .marks import MARKER
from .window import Window

SCORE_IDS = f"""
project = {{project:String}} AND event_time BETWEEN {{first:DateTime64(3, 'UTC')}}
AND {{last:DateTime64(3, 'UTC')}} AND event_time IN {TIMES} AND event_id IN {{ids:Array(UUID)}}
"""
WITHIN = """
project = {project:String} AND id_time >= {start:DateTime64(3, 'UTC')}
AND id_time < {end:DateTime64(3, 'UTC')}
"""
AT = "{at:DateTime64(3, 'UTC')}"
SPARE_ROWS = 16  # read beyond a page, for copies of rows that are not merged yet
RARE = ("session_id", "user_id", "trace_id")  # values that few events have
FILTERS = ("kind", "model", "environment", "status", "session_id", "user_id", "trace_id")


@dataclass(frozen=True, slots=True)
class Listing:
    """Which events to list: filters by column, the order, and where the last page stopped."""

    window: Window
    limit: int
    newest_first: bool = True
    cursor: UUID | None = None
    equal: Mapping[str, str] = field(default_factory=dict)


class EventStore:
    """Reads of the events and scores of one project."""

    def __init__(self, clickhouse: ClickHouse, project: str) -> None:
        self._clickhouse = clickhouse
        self._project = project

    def page(self, listing: Listing) -> r.Page:
        """One page without bodies, by the time inside the id."""
        found = self._listed(listing)
        values = self.values([row["id"] for row in found])
        page = [rows.event_row(row, values.get(row["id"], {})) for row in found]
        return r.Page(page, page[-1].id if len(page) == listing.limit else "")

    def _listed(self, listing: Listing) -> list[dict[str, Any]]:
        """The page's rows, each id once.

        `LIMIT 1 BY` would do that, but with it ClickHouse reads the whole window instead of
        stopping when the page is full. Copies stand side by side, so some more are read and the
        copies left out here; a page full of copies is read on from its last id.
        """
        found: dict[UUID, dict[str, Any]] = {}
        cursor, wanted = listing.cursor, listing.limit + SPARE_ROWS
        while True:
            rows_read = self._read(listing, cursor, wanted)
            found |= {row["id"]: row for row in rows_read}
            if len(found) >= listing.limit or len(rows_read) < wanted:
                return list(found.values())[: listing.limit]
            cursor = rows_read[-1]["id"]

    def _read(self, listing: Listing, cursor: UUID | None, limit: int) -> list[dict[str, Any]]:
        """The rows behind the cursor; of a rare value its ids first, then their rows by key.

        ClickHouse would filter by time before it filters by the value, and read all columns of
        each block that holds a row: ten million spans of 20,000 users take twice as long.
        """
        equal = {name: value for name, value in listing.equal.items() if value and name in FILTERS}
        where = [WITHIN, *(f"{name} = {{{name}:String}}" for name in equal)]
        params: dict[str, object] = {**equal, "limit": limit, "project": self._project}
        params |= {"start": listing.window.start, "end": listing.window.end}
        side, order = ("<", "DESC") if listing.newest_first else (">", "ASC")
        if cursor is not None:
            where.append(f"(id_time, id) {side} ({AT}, {{after:UUID}}) AND id_time {side}= {AT}")
            params |= {"at": id_time(cursor), "after": str(cursor)}
        place = f"ORDER BY id_time {order}, id {order} LIMIT {{limit:UInt32}}"
        rare = [f"{name} = {{{name}:String}}" for name in equal if name in RARE]
        if not rare:
            sql = f"SELECT {rows.NARROW} FROM events WHERE {' AND '.join(where)} {place}"
            return self._clickhouse.rows(sql, **params)
        first = f"PREWHERE {' AND '.join(rare)} WHERE {' AND '.join(where)}"
        ids = [
            i for (i,) in self._clickhouse.query(f"SELECT id FROM events {first} {place}", **params)
        ]
        if not ids:
            return []
        sql = f"SELECT {rows.NARROW} FROM events WHERE {IDS} {place}"
        return self._clickhouse.rows(sql, limit=limit, **by_id(self._project, ids))

    def whole(self, ids: Sequence[UUID]) -> list[r.Event]:
        """Full events in the order asked; unknown ids are left out."""
        return read_bodies(self._clickhouse, self._project, ids)

    def values(self, ids: Sequence[UUID]) -> dict[UUID, dict[str, float]]:
        """The latest value of each score of these events, a worker's first, markers left out."""
        if not ids:
            return {}
        sql = f"""
            SELECT event_id, name, argMax(value, {FIRST}) FROM scores
            WHERE {SCORE_IDS} AND name != {{marker:String}} AND value IS NOT NULL
            GROUP BY event_id, name ORDER BY event_id, name
        """
        values: dict[UUID, dict[str, float]] = defaultdict(dict)
        for event_id, name, value in self._clickhouse.query(
            sql, marker=MARKER, **by_id(self._project, ids)
        ):
            values[event_id][name] = value
        return values

    def scores(self, ids: Sequence[UUID]) -> list[r.Score]:
        """All scores of these events as they stand now, by event and name."""
        if not ids:
            return []
        sql = f"""
            SELECT {rows.SCORE} FROM scores WHERE {SCORE_IDS}
            ORDER BY event_time, event_id, name, source, metric_version, computed_at DESC
            LIMIT 1 BY event_id, name, source, metric_version
        """
        return [rows.score(row) for row in self._clickhouse.rows(sql, **by_id(self._project, ids))]
