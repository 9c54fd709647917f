"""Questions about stored events and their scores. Every answer is of one project and bounded.

Rows of one id are the same row until a merge removes the copies, so lists take one of each id; the
sort key (project, id_time, id) makes a look-up by id a look-up by key, since the id holds its time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from driftline.sdk import records as r

from . import rows
from .aggregate import SHOWN, STANDING
from .bodies import IDS, TIMES, by_id, read_bodies
from .clickhouse import ClickHouse
from .event import id_time
from .marks import MARKER
from .reach import WITHIN, reach
from .scored import ScoreRange
from .window import MILLISECOND, Window

SCORE_IDS = f"""
project = {{project:String}} AND event_time BETWEEN {{first:DateTime64(3, 'UTC')}}
AND {{last:DateTime64(3, 'UTC')}} AND event_time IN {TIMES} AND event_id IN {{ids:Array(UUID)}}
"""
VALUES = STANDING.replace("<where>", SCORE_IDS + "AND name != {marker:String}")
AT = "{at:DateTime64(3, 'UTC')}"
SPARE_ROWS = 16  # read beyond a page, for copies of rows that are not merged yet
RARE = ("session_id", "user_id")  # values that few events have
# A filter on a score looks at so many events at first for each one wanted, then at eight times as
# many as before, up to a bound on what one query holds in memory.
FIRST_EVENTS, MORE_EVENTS, MOST_EVENTS = 20, 8, 250_000
FILTERS = ("kind", "model", "environment", "status", "session_id", "user_id")


@dataclass(frozen=True, slots=True)
class Listing:
    """Which events to list: filters by column and score, the order, where the last page stopped."""

    window: Window
    limit: int
    newest_first: bool = True
    cursor: UUID | None = None
    equal: Mapping[str, str] = field(default_factory=dict)
    score: ScoreRange | None = None


class EventStore:
    """Reads of the events and scores of one project."""

    def __init__(self, clickhouse: ClickHouse, project: str) -> None:
        self._clickhouse = clickhouse
        self._project = project

    def page(self, listing: Listing) -> r.Page:
        """One page without bodies, by the time inside the id."""
        found = self._listed(listing) if listing.score is None else self._scored(listing)
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

    def _scored(self, listing: Listing) -> list[dict[str, Any]]:
        """The page's rows by a filter on a score, from one slice of the window after the other: as
        few of them as fill the page.
        """
        found: list[dict[str, Any]] = []
        for window in self._slices(listing):
            rest = replace(listing, window=window, limit=listing.limit - len(found))
            found += self._listed(rest)
            if len(found) == listing.limit:
                break
        return found

    def _slices(self, listing: Listing) -> Iterator[Window]:
        """What of the window lies behind the cursor, in the list's order."""
        start, end = listing.window.start, listing.window.end
        if listing.cursor is not None and listing.newest_first:
            end = min(end, id_time(listing.cursor) + MILLISECOND)
        elif listing.cursor is not None:
            start = max(start, id_time(listing.cursor))
        events = FIRST_EVENTS * listing.limit
        while start < end:
            reached = reach(
                self._clickhouse,
                self._project,
                Window(start, end),
                events,
                newest_first=listing.newest_first,
            )
            if listing.newest_first:
                yield Window(reached or start, end)
                end = reached or start
            else:
                until = reached + MILLISECOND if reached else end
                yield Window(start, until)
                start = until
            events = min(events * MORE_EVENTS, MOST_EVENTS)

    def _read(self, listing: Listing, cursor: UUID | None, limit: int) -> list[dict[str, Any]]:
        """The rows behind the cursor; of a rare value its ids first, then their rows by key.

        ClickHouse would filter by time before it filters by the value, and read all columns of
        each block that holds a row: ten million spans of 20,000 users take twice as long.
        """
        equal = {name: value for name, value in listing.equal.items() if value and name in FILTERS}
        by_column = [f"{name} = {{{name}:String}}" for name in equal]
        where = [WITHIN, *by_column]
        params: dict[str, object] = {**equal, "limit": limit, "project": self._project}
        params |= {"start": listing.window.start, "end": listing.window.end}
        if listing.score is not None:
            where.append(listing.score.condition([WITHIN, *by_column] if by_column else []))
            params |= listing.score.params()
        side, order = ("<", "DESC") if listing.newest_first else (">", "ASC")
        if cursor is not None:
            where.append(f"(id_time, id) {side} ({AT}, {{after:UUID}}) AND id_time {side}= {AT}")
            params |= {"at": id_time(cursor), "after": str(cursor)}
        place = f"ORDER BY id_time {order}, id {order} LIMIT {{limit:UInt32}}"
        rare = [f"{name} = {{{name}:String}}" for name in equal if name in RARE]
        if not rare:
            sql = f"SELECT {rows.NARROW} FROM events WHERE {' AND '.join(where)} {place}"
            return self._clickhouse.rows(sql, **params)
        which = f"PREWHERE {' AND '.join(rare)} WHERE {' AND '.join(where)}"
        found = self._clickhouse.query(f"SELECT id FROM events {which} {place}", **params)
        ids = [event_id for (event_id,) in found]
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
            SELECT event_id, name, {SHOWN} FROM ({VALUES})
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
