"""The metric workers there are: each says every few seconds how it fares; pages list them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy import delete, select

from driftline.sdk import records as r

from .auth import Caller, require
from .clock import parse_rfc3339, rfc3339
from .problem import Problem
from .reads import Reader
from .services import Parts
from .tables import WorkerRow

SILENT_SECONDS = 60.0  # workers report every 10 s
KEEP_DAYS = 1.0
MAX_WORKERS = 1000
router = APIRouter(prefix="/v1/workers", tags=["work"])
Worker = Annotated[Caller, Depends(require("work", project=False))]
Amount = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Number = Annotated[int, Field(ge=0, le=2**53)]


class Report(BaseModel):
    """A `WorkerReport`, within bounds."""

    name: str = Field(min_length=1, max_length=200)
    device: str = Field(max_length=40)
    state: Literal["starting", "working", "idle", "stopped"]
    started_at: str
    lag_seconds: Amount
    tokens_per_second: Amount
    events_per_second: Amount
    busy_share: Annotated[float, Field(ge=0, le=1)]
    events_scored: Number
    events_failed: Number
    events_reused: Number
    cost_per_1000_events: Amount | None = None
    left_out: list[Annotated[str, Field(max_length=1000)]] = Field([], max_length=100)


@router.post("", status_code=204)
def report(body: Report, caller: Worker, parts: Parts) -> None:
    """A worker's own numbers; the newest report of a name replaces the one before."""
    now = parts.clock()
    values = body.model_dump() | {"started_at": _time(body.started_at)}
    row = WorkerRow(project_id=caller.project, name=body.name, seen_at=now, report=values)
    with parts.control.session() as session:
        session.merge(row)
        session.execute(
            delete(WorkerRow).where(WorkerRow.seen_at < now - timedelta(days=KEEP_DAYS))
        )


@router.get("")
def workers(caller: Reader, parts: Parts) -> dict[str, list[r.WorkerStatus]]:
    """The workers that reported within the last day and may work for this project, by name."""
    query = (
        select(WorkerRow)
        .where(WorkerRow.project_id.in_(["", caller.project]))
        .where(WorkerRow.seen_at >= parts.clock() - timedelta(days=KEEP_DAYS))
        .order_by(WorkerRow.name)
        .limit(MAX_WORKERS)
    )
    late = parts.clock() - timedelta(seconds=SILENT_SECONDS)
    with parts.control.reading() as session:
        return {
            "workers": [
                r.WorkerStatus(
                    r.decode_record(r.WorkerReport, row.report),
                    rfc3339(row.seen_at),
                    row.seen_at < late and row.report["state"] != "stopped",
                )
                for row in session.scalars(query)
            ]
        }


def _time(text: str) -> str:
    try:
        return rfc3339(parse_rfc3339(text))
    except (ValueError, OverflowError):
        words = "started_at must be an RFC 3339 time such as 2026-01-31T09:30:00Z"
        raise Problem(422, "invalid_field", words, field="started_at") from None
