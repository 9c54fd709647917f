"""The monitor, the reference and the tested windows over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy import select

from driftline.sdk import records as r

from . import aggregate, watch
from .auth import Caller, require
from .clock import rfc3339
from .problem import not_found
from .services import Parts, Services
from .tables import ProjectRow, ReferenceRow, WindowRow

router = APIRouter(tags=["drift"])
Reader = Annotated[Caller, Depends(require("read"))]
Admin = Annotated[Caller, Depends(require("admin"))]

WINDOWS = """
SELECT window_id, `index`, reference, `start`, `end`, n_reference, n_current, computed_at,
       if({maps:UInt8} = 1, result, JSONMergePatch(result, '{"map": []}')) AS result
FROM drift FINAL
WHERE project = {project:String} AND ({window_id:String} = '' OR window_id = {window_id:String})
ORDER BY computed_at DESC LIMIT {limit:UInt32}
"""

# One row an event, in the order asked; the latest value of each vector and score. Of a metric that
# changed only the version of today counts, so that a window is never compared across versions.
FEATURES = """
SELECT toString(id) AS event_id, p.vector AS prompt, q.vector AS response, s.scores AS scores
FROM (SELECT arrayJoin({ids:Array(UUID)}) AS id,
             indexOf({ids:Array(UUID)}, id) AS position) AS wanted
LEFT JOIN (SELECT event_id, argMax(vector, computed_at) AS vector FROM embeddings
           WHERE project = {project:String} AND field = 'prompt' AND event_id IN {ids:Array(UUID)}
             AND event_time BETWEEN {first:DateTime64(3, 'UTC')} AND {last:DateTime64(3, 'UTC')}
           GROUP BY event_id) AS p ON p.event_id = id
LEFT JOIN (SELECT event_id, argMax(vector, computed_at) AS vector FROM embeddings
           WHERE project = {project:String} AND field = 'response' AND event_id IN {ids:Array(UUID)}
             AND event_time BETWEEN {first:DateTime64(3, 'UTC')} AND {last:DateTime64(3, 'UTC')}
           GROUP BY event_id) AS q ON q.event_id = id
LEFT JOIN (SELECT event_id,
                  CAST((groupArray(metric), groupArray(latest)), 'Map(String, Float64)') AS scores
           FROM (SELECT event_id, toString(name) AS metric,
                        assumeNotNull(argMax(value, computed_at)) AS latest
                 FROM scores
                 WHERE project = {project:String} AND source = 'worker' AND value IS NOT NULL
                   AND name != 'scored' <today>
                   AND event_id IN {ids:Array(UUID)} AND event_time
                   BETWEEN {first:DateTime64(3, 'UTC')} AND {last:DateTime64(3, 'UTC')}
                 GROUP BY event_id, metric)
           GROUP BY event_id) AS s ON s.event_id = id
ORDER BY position
""".replace("<today>", aggregate.TODAY)


class MonitorBody(BaseModel):
    """`driftline.sdk.records.Monitor`, with its bounds."""

    enabled: bool = True
    reference_events: int = Field(300, ge=60, le=5000)
    window_events: int = Field(100, ge=30, le=5000)
    alpha: float = Field(0.01, gt=0, lt=0.5)
    permutations: int = Field(4999, ge=199, le=100_000)
    resolve_after: int = Field(3, ge=1, le=1000)
    finetune: Literal["off", "propose", "auto"] = "propose"
    job: r.JobSpec | None = None


class Reference(BaseModel):
    start: str
    end: str
    name: str = Field("", max_length=200)


@router.get("/v1/monitor")
def get_monitor(caller: Reader, parts: Parts) -> r.Monitor:
    with parts.control.reading() as session:
        return watch.monitor_of(session.get_one(ProjectRow, caller.project))


@router.put("/v1/monitor")
def set_monitor(body: MonitorBody, caller: Admin, parts: Parts) -> r.Monitor:
    """Change how the project is watched; windows planned from now on follow it."""
    with parts.control.session() as session:
        project = session.get_one(ProjectRow, caller.project, with_for_update=True)
        project.monitor = body.model_dump()
        return watch.monitor_of(project)


@router.get("/v1/drift/status")
def drift_status(caller: Reader, parts: Parts) -> r.DriftStatus:
    return watch.status(parts, caller.project)


@router.post("/v1/drift/reference")
def pin_reference(body: Reference, caller: Admin, parts: Parts) -> r.DriftStatus:
    """Use the scored llm events of [start, end) as the reference from now on."""
    watch.pin(parts, caller.project, body.start, body.end, body.name)
    return watch.status(parts, caller.project)


@router.get("/v1/drift/windows")
def list_windows(
    caller: Reader, parts: Parts, limit: Annotated[int, Query(ge=1, le=1000)] = 50
) -> dict[str, list[r.DriftWindow]]:
    """Tested windows, newest first, without their maps."""
    return {"windows": _windows(parts, caller.project, "", limit, maps=False)}


@router.get("/v1/drift/windows/{window_id}")
def get_window(window_id: str, caller: Reader, parts: Parts) -> r.DriftWindow:
    found = _windows(parts, caller.project, window_id, 1, maps=True)
    if not found:
        raise not_found("drift window", window_id)
    return found[0]


ARROW: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/vnd.apache.arrow.stream": {}}, "description": "Arrow IPC stream"}
}


@router.get("/v1/drift/windows/{window_id}/features", response_class=Response, responses=ARROW)
def features(
    window_id: str, side: Literal["reference", "current"], caller: Reader, parts: Parts
) -> Response:
    """Arrow IPC stream: event_id, prompt and response vectors, scores (map), in event order."""
    with parts.control.reading() as session:
        window = session.get(WindowRow, window_id)
        if window is None or window.project_id != caller.project:
            raise not_found("drift window", window_id)
        reference = session.get_one(ReferenceRow, window.reference_id)
    row: WindowRow | ReferenceRow = window if side == "current" else reference
    versions = parts.cards.versions(caller.project)
    data = parts.clickhouse.raw(
        FEATURES,
        "ArrowStream",
        project=caller.project,
        ids=[UUID(event_id) for event_id in row.event_ids],
        first=row.start.replace("T", " ").rstrip("Z"),
        last=row.end.replace("T", " ").rstrip("Z"),
        metrics=list(versions),
        versions=list(versions.values()),
    )
    return Response(data, media_type="application/vnd.apache.arrow.stream")


def _windows(
    parts: Services, project: str, window_id: str, limit: int, *, maps: bool
) -> list[r.DriftWindow]:
    rows = parts.clickhouse.rows(
        WINDOWS, project=project, window_id=window_id, limit=limit, maps=int(maps)
    )
    with parts.control.reading() as session:
        ids = [row["window_id"] for row in rows]
        query = select(WindowRow.id, WindowRow.incident_id).where(WindowRow.id.in_(ids))
        incident_of = dict(session.execute(query).all())
    return [_window(project, row, incident_of.get(row["window_id"], "")) for row in rows]


def _window(project: str, row: dict[str, Any], incident_id: str) -> r.DriftWindow:
    return r.DriftWindow(
        id=row["window_id"],
        project=project,
        index=row["index"],
        reference=row["reference"],
        start=rfc3339(row["start"]),
        end=rfc3339(row["end"]),
        n_reference=row["n_reference"],
        n_current=row["n_current"],
        computed_at=rfc3339(row["computed_at"]),
        result=r.decode_record(r.DriftResult, orjson.loads(row["result"])),
        incident_id=incident_id,
    )
