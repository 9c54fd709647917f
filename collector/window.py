"""The time range of a read, its buckets and its cursors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from .clock import parse_rfc3339
from .event import EPOCH
from .problem import Problem
from .services import Parts
from .wire import UUID7

DEFAULT = timedelta(hours=24)
MINUTE_SECONDS = 60
LAST = datetime(2200, 1, 1, tzinfo=UTC)
LAST_MS = int(LAST.timestamp() * 1000)
MILLISECOND = timedelta(milliseconds=1)
SECONDS = (1, 2, 5, 10, 15, 30)
MINUTES = (60, 120, 300, 600, 900, 1800)
HOURS = (3600, 7200, 10800, 21600, 43200)
DAYS = (86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000)
MAX_BUCKETS = 1000

Start = Annotated[str, Query(description="RFC 3339; absent: 24 h before `end`")]
End = Annotated[str, Query(description="RFC 3339; absent: now")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Buckets = Annotated[int, Query(ge=1, le=MAX_BUCKETS)]


@dataclass(frozen=True, slots=True)
class Window:
    """The instants from `start` up to `end`, exclusive."""

    start: datetime
    end: datetime

    def bucket_seconds(self, buckets: int, finest: int = 1) -> int:
        """The width, a number that people expect, that makes at most about `buckets` buckets."""
        wanted = (self.end - self.start).total_seconds() / buckets
        widths = (w for w in (*SECONDS, *MINUTES, *HOURS, *DAYS) if w >= max(wanted, finest))
        return next(widths, DAYS[-1])

    def times(self, seconds: int) -> list[datetime]:
        """The starts of the buckets that touch the window, aligned to the epoch."""
        first = floor(self.start, seconds)
        count = math.ceil((self.end - first).total_seconds() / seconds)
        return [first + timedelta(seconds=seconds * i) for i in range(count)]


def floor(time: datetime, seconds: int) -> datetime:
    """The start of the bucket of `seconds` that `time` is in."""
    whole = int((time - EPOCH).total_seconds()) // seconds
    return EPOCH + timedelta(seconds=whole * seconds)


def _window(parts: Parts, start: Start = "", end: End = "") -> Window:
    last = given_time("end", end) if end else parts.clock()
    first = given_time("start", start) if start else last - DEFAULT
    if first >= last:
        raise Problem(422, "invalid_field", "start must be before end", field="start")
    return Window(first, last)


def given_time(name: str, text: str) -> datetime:
    """The field's time, moved into what the database can write. Raises Problem 422."""
    try:
        time = parse_rfc3339(text)
    except (ValueError, OverflowError):
        words = f"{name} must be an RFC 3339 time such as 2026-01-31T09:30:00Z"
        raise Problem(422, "invalid_field", words, field=name) from None
    return min(max(time, EPOCH + DEFAULT), LAST)


Within = Annotated[Window, Depends(_window)]


def cursor_id(cursor: str) -> UUID:
    """The event id that a list of events stopped at. Raises Problem 422."""
    return given_id("cursor", cursor, "the next_cursor of the page before")


def given_id(name: str, text: str, what: str) -> UUID:
    """The field's event id, of a time that the database knows. Raises Problem 422."""
    if not UUID7.fullmatch(text) or (found := UUID(text)).int >> 80 >= LAST_MS:
        raise Problem(422, "invalid_field", f"{name} must be {what}", field=name)
    return found
