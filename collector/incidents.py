"""Incidents: opened by a drifting window, extended by the next, resolved by calm windows or a
person.

At most one incident of a project is not resolved. Every transition writes its notifications into
the outbox in the same transaction.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from driftline.sdk import records as r

from . import outbox, tuning
from .auth import Caller, require
from .clock import rfc3339
from .ids import new_id
from .problem import Problem, not_found
from .services import Parts, Services
from .tables import DeliveryRow, IncidentRow, ProjectRow, WindowRow

router = APIRouter(prefix="/v1/incidents", tags=["incidents"])
Reader = Annotated[Caller, Depends(require("read"))]
Admin = Annotated[Caller, Depends(require("admin"))]

MIN_EVENTS = 30  # fewer on a side of a test decide nothing
MAX_EXAMPLES = 10
TITLE_SIGNALS = 3
Step = Literal["nothing", "open", "extend", "calm", "resolve"]
# What webhooks are told of a step.
NEWS = {"open": "incident.opened", "extend": "incident.updated", "resolve": "incident.resolved"}


class Person(BaseModel):
    by: str = Field(min_length=1, max_length=200)


def next_step(is_open: bool, decision: str, calm_windows: int, resolve_after: int) -> Step:
    """What a tested window does to the project's incident (pure)."""
    if decision == "drift":
        return "extend" if is_open else "open"
    if not is_open or decision != "stable":
        return "nothing"
    return "resolve" if calm_windows + 1 >= resolve_after else "calm"


def after_window(
    parts: Services,
    session: Session,
    project: ProjectRow,
    monitor: r.Monitor,
    window: WindowRow,
    result: r.DriftResult,
    traces: list[str],
) -> str:
    """Apply a tested window; returns the id of the incident it belongs to, or "".

    `traces` are those of the result's `examples`.
    """
    row = current(session, project.id)
    step = next_step(
        row is not None, result.decision, row.calm_windows if row else 0, monitor.resolve_after
    )
    if step == "open":
        row = _open(parts, session, project, window)
    if row is None or step == "nothing":
        return ""
    if step == "calm":
        row.calm_windows += 1
    elif step == "resolve":
        _resolve(parts, row)
    else:
        _describe(row, result, traces)
        row.calm_windows, row.updated_at = 0, parts.clock()
    if step == "open":
        tuning.propose(parts, session, project, monitor, row)
    elif step == "extend":
        row.window_ids = [*row.window_ids, window.id]
    if step in NEWS:
        outbox.enqueue(parts, session, project, NEWS[step], payload(row, project.name), row.id)
    return row.id if result.decision == "drift" else ""


def current(session: Session, project: str) -> IncidentRow | None:
    """The project's incident that is not resolved."""
    query = select(IncidentRow).where(
        IncidentRow.project_id == project, IncidentRow.state != "resolved"
    )
    return session.scalars(query).first()


def open_count(session: Session, project: str) -> int:
    """How many incidents of the project are not resolved."""
    query = select(func.count()).where(
        IncidentRow.project_id == project, IncidentRow.state != "resolved"
    )
    return session.scalar(query) or 0


def _open(parts: Services, session: Session, project: ProjectRow, window: WindowRow) -> IncidentRow:
    now = parts.clock()
    row = IncidentRow(
        id=new_id("inc"),
        project_id=project.id,
        state="open",
        severity="warning",
        title="",
        summary="",
        opened_at=now,
        updated_at=now,
        resolved_at=None,
        acknowledged_by="",
        window_ids=[window.id],
        signals=[],
        examples=[],
        traces=[],
        calm_windows=0,
        job_id="",
    )
    session.add(row)
    return row


def _describe(row: IncidentRow, result: r.DriftResult, traces: list[str]) -> None:
    """Say what the newest drifting window found."""
    row.title, row.summary = title(result), summary(result)
    row.signals = [r.encode(signal) for signal in result.signals if signal.drifted]
    row.examples, row.traces = examples(result), traces


def _resolve(parts: Services, row: IncidentRow) -> None:
    row.state = "resolved"
    row.resolved_at = row.updated_at = parts.clock()


def title(result: r.DriftResult) -> str:
    """For example "Drift in response_length, prompt_embedding (and 1 more)"."""
    names = [signal.signal for signal in result.signals if signal.drifted]
    more = f" (and {len(names) - TITLE_SIGNALS} more)" if len(names) > TITLE_SIGNALS else ""
    return f"Drift in {', '.join(names[:TITLE_SIGNALS])}{more}"[:300]


def summary(result: r.DriftResult) -> str:
    """What changed and by how much, in the worker's words."""
    words = " ".join(signal.words for signal in result.signals if signal.drifted)
    return result.summary or words


def examples(result: r.DriftResult) -> list[str]:
    """Events that show the change, of every drifted signal, each once."""
    found = (event for signal in result.signals if signal.drifted for event in signal.examples)
    return list(dict.fromkeys(filter(_is_id, found)))[:MAX_EXAMPLES]


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def payload(row: IncidentRow, project_name: str) -> dict[str, Any]:
    """What a webhook is told: words and ids, never prompts or answers."""
    return {
        "id": row.id,
        "project": project_name,
        "state": row.state,
        "severity": row.severity,
        "title": row.title,
        "summary": row.summary,
        "opened_at": rfc3339(row.opened_at),
        "resolved_at": rfc3339(row.resolved_at) if row.resolved_at else "",
        "windows": row.window_ids[-20:],
        "signals": [
            {
                key: signal[key]
                for key in ("signal", "words", "effect", "adjusted_p_value", "examples")
            }
            for signal in row.signals
        ],
        "example_events": row.examples,
        "example_traces": row.traces,
        "job_id": row.job_id,
        "dashboard_path": f"/incidents?incident={row.id}",
    }


# ------------------------------------------------------------------------ HTTP


@router.get("")
def list_incidents(
    caller: Reader,
    parts: Parts,
    state: Literal["", "open", "acknowledged", "resolved"] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> dict[str, list[r.Incident]]:
    """Incidents, newest first."""
    query = select(IncidentRow).where(IncidentRow.project_id == caller.project)
    if state:
        query = query.where(IncidentRow.state == state)
    with parts.control.reading() as session:
        rows = session.scalars(query.order_by(IncidentRow.opened_at.desc()).limit(limit))
        return {"incidents": [_record(session, row) for row in rows]}


@router.get("/{incident_id}")
def get_incident(incident_id: str, caller: Reader, parts: Parts) -> r.Incident:
    with parts.control.reading() as session:
        return _record(session, _find(session, caller, incident_id))


@router.post("/{incident_id}/acknowledge")
def acknowledge(incident_id: str, body: Person, caller: Admin, parts: Parts) -> r.Incident:
    """Somebody has seen it."""
    with parts.control.session() as session:
        row = _find(session, caller, incident_id)
        if row.state == "resolved":
            raise Problem(409, "resolved", "this incident is resolved already")
        row.state, row.acknowledged_by, row.updated_at = "acknowledged", body.by, parts.clock()
        return _record(session, row)


@router.post("/{incident_id}/resolve")
def resolve(incident_id: str, body: Person, caller: Admin, parts: Parts) -> r.Incident:
    """Somebody closes it; doing it twice is fine."""
    with parts.control.session() as session:
        row = _find(session, caller, incident_id)
        if row.state != "resolved":
            row.acknowledged_by = row.acknowledged_by or body.by
            _resolve(parts, row)
            project = session.get_one(ProjectRow, row.project_id)
            data = payload(row, project.name)
            outbox.enqueue(parts, session, project, "incident.resolved", data, row.id)
        return _record(session, row)


def _find(session: Session, caller: Caller, incident_id: str) -> IncidentRow:
    row = session.get(IncidentRow, incident_id, with_for_update=True)
    if row is None or row.project_id != caller.project:
        raise not_found("incident", incident_id)
    return row


def _record(session: Session, row: IncidentRow) -> r.Incident:
    query = (
        select(DeliveryRow)
        .where(DeliveryRow.incident_id == row.id)
        .order_by(DeliveryRow.created_at, DeliveryRow.id)
    )
    return r.Incident(
        id=row.id,
        project=row.project_id,
        state=row.state,  # type: ignore[arg-type]  # the column holds nothing else
        severity=row.severity,
        title=row.title,
        summary=row.summary,
        opened_at=rfc3339(row.opened_at),
        updated_at=rfc3339(row.updated_at),
        resolved_at=rfc3339(row.resolved_at) if row.resolved_at else "",
        acknowledged_by=row.acknowledged_by,
        window_ids=row.window_ids,
        signals=[r.decode_record(r.SignalResult, signal) for signal in row.signals],
        examples=row.examples,
        job_id=row.job_id,
        deliveries=[outbox.record(session, delivery) for delivery in session.scalars(query)],
    )
