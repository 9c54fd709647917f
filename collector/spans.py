"""The spans of one trace in order, a page at a time: which ones, and how many lie around them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from .clickhouse import ClickHouse
from .event import EPOCH, id_time
from .reach import WITHIN
from .window import LAST, MILLISECOND

MAX_SPANS = 200  # a page: they are shown with their bodies
START = UUID(int=0)  # before every span

OF_TRACE = f"{WITHIN} AND trace_id = {{trace_id:String}}"
UP_TO = "(id_time, id) <= ({at:DateTime64(3, 'UTC')}, {after:UUID})"
# How many spans there are, how many up to one of them, and from when to when they reach: what is
# read next looks at that time only, and not through all that is stored.
EXTENT = f"""
SELECT uniqExact(id), uniqExactIf(id, {UP_TO}), min(id_time), max(id_time)
FROM events WHERE {OF_TRACE}
"""
NEXT = f"""
SELECT id FROM events WHERE {OF_TRACE} AND NOT {UP_TO}
ORDER BY id_time, id LIMIT 1 BY id_time, id LIMIT {{limit:UInt32}}
"""
AT_PLACE = f"""
SELECT id FROM events WHERE {OF_TRACE}
ORDER BY id_time, id LIMIT 1 BY id_time, id LIMIT 1 OFFSET {{place:UInt64}}
"""
BEFORE = f"""
SELECT id FROM events WHERE {OF_TRACE} AND {UP_TO}
ORDER BY id_time DESC, id DESC LIMIT 1 BY id_time, id LIMIT 1 OFFSET {{spans:UInt64}}
"""


@dataclass(frozen=True, slots=True)
class SpanPage:
    """The ids of a page, how many spans lie before and behind it, and its neighbours' cursors."""

    ids: list[UUID]
    earlier: int
    more: int
    next_cursor: str
    previous_cursor: str


class Spans:
    """The spans of one trace, by the time inside the id."""

    def __init__(self, clickhouse: ClickHouse, project: str, trace_id: str) -> None:
        self._clickhouse = clickhouse
        self._within: dict[str, object] = {
            "project": project,
            "trace_id": trace_id,
            "start": EPOCH,
            "end": LAST,
        }

    def page_after(self, cursor: UUID) -> SpanPage | None:
        """The page behind a span, which need not be of this trace; None without any span."""
        total, earlier = self._extent(cursor)
        return self._page(total, earlier, cursor) if total else None

    def page_with(self, event: UUID) -> SpanPage | None:
        """The page that holds a span, counted in full pages from the first span on."""
        total, up_to = self._extent(event)
        earlier = max(up_to - 1, 0) // MAX_SPANS * MAX_SPANS
        cursor = self._one(AT_PLACE, place=earlier - 1) if earlier else START
        return self._page(total, earlier, cursor) if total else None

    def _page(self, total: int, earlier: int, cursor: UUID) -> SpanPage:
        found = self._clickhouse.query(NEXT, limit=MAX_SPANS, **self._within, **_up_to(cursor))
        ids = [span_id for (span_id,) in found]
        more = max(0, total - earlier - len(ids))
        behind = str(ids[-1]) if ids and more else ""
        before = earlier > MAX_SPANS
        previous = self._one(BEFORE, spans=MAX_SPANS, **_up_to(cursor)) if before else ""
        return SpanPage(ids, earlier, more, behind, str(previous))

    def _extent(self, span: UUID) -> tuple[int, int]:
        """How many spans there are, and up to `span`; from now on only their time is read."""
        ((total, up_to, first, last),) = self._clickhouse.query(
            EXTENT, **self._within, **_up_to(span)
        )
        self._within |= {"start": first, "end": last + MILLISECOND}
        return total, up_to

    def _one(self, sql: str, **params: object) -> UUID:
        ((span_id,),) = self._clickhouse.query(sql, **self._within, **params)
        found: UUID = span_id
        return found


def _up_to(span: UUID) -> dict[str, object]:
    return {"at": id_time(span), "after": str(span)}
