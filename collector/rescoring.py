"""Scored events become pending again: a span of time for a backfill, quarantined ones to retry.

Nothing is deleted: a newer marker says "not scored", and the workers' next results replace the old
ones. The watermark is lowered first and in a transaction of its own, so that a crash after the
marks were written leaves no event behind it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy.orm import Session

from driftline.sdk import records as r

from . import bodies, lease, marks
from .auth import Caller, require
from .clock import rfc3339
from .reads import Reader
from .services import Parts, Services
from .window import Limit, Within, given_time
from .wire import UUID7

router = APIRouter(prefix="/v1/work", tags=["work"])
Admin = Annotated[Caller, Depends(require("admin"))]
EventId = Annotated[str, StringConstraints(max_length=36)]
MAX_IDS = 500


class Rescore(BaseModel):
    """`before` leaves out what was scored at or after it: a backfill that is begun again."""

    start: str
    end: str
    before: str = ""


class Retry(BaseModel):
    ids: list[EventId] = Field(min_length=1, max_length=MAX_IDS)


@router.post("/rescore")
def rescore(body: Rescore, caller: Admin, parts: Parts) -> dict[str, int]:
    """Mark the scored events of [start, end) as pending, so that workers score them again.

    The watermark follows the events of the span, scored or not, so that calling again after a
    crash lowers it again.
    """
    start, end = given_time("start", body.start), given_time("end", body.end)
    before = given_time("before", body.before) if body.before else parts.clock()
    first = marks.first_arrival(parts.clickhouse, caller.project, start, end)
    if first is None:
        return {"events": 0}
    _lower_watermark(parts, caller.project, first)
    with parts.control.session() as session:
        _lower(session, caller.project, first)
        found = marks.unmark(parts.clickhouse, caller.project, start, end, before, parts.clock())
        return {"events": found}


@router.get("/quarantine")
def quarantine(
    caller: Reader, parts: Parts, window: Within, limit: Limit = 100
) -> dict[str, list[r.Quarantined]]:
    """Events of the window that could not be scored, with the reason; the newest failure first."""
    found = marks.quarantined(parts.clickhouse, caller.project, window.start, window.end, limit)
    events = bodies.read_bodies(parts.clickhouse, caller.project, [q.id for q in found])
    known = {event.id: event for event in events}
    return {
        "events": [
            r.Quarantined(
                event_id=str(q.id),
                trace_id=event.trace_id,
                start_time=event.start_time,
                name=event.name,
                model=event.model,
                reason=q.reason,
                since=rfc3339(q.since),
            )
            for q in found
            if (event := known.get(str(q.id)))
        ]
    }


@router.post("/quarantine/retry")
def retry(body: Retry, caller: Admin, parts: Parts) -> dict[str, int]:
    """Put quarantined events back: workers try them again, each alone and three times at most.

    Ids that are not in quarantine are left as they are.
    """
    ids = [UUID(text) for text in body.ids if UUID7.fullmatch(text)]
    first = marks.arrival_of(parts.clickhouse, caller.project, ids) if ids else None
    if first is None:
        return {"events": 0}
    _lower_watermark(parts, caller.project, first)
    with parts.control.session() as session:
        _lower(session, caller.project, first)
        return {"events": marks.unmark_failed(parts.clickhouse, caller.project, ids, parts.clock())}


def _lower_watermark(parts: Services, project: str, first: datetime) -> None:
    with parts.control.session() as session:
        _lower(session, project, first)


def _lower(session: Session, project_id: str, first: datetime) -> None:
    project = lease.lock_project(session, project_id)
    if project.scored_through is not None:
        project.scored_through = min(project.scored_through, first)
