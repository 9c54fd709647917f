"""Deleted events leave the control database: every list of event ids, and texts made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from .control import Control
from .event import id_time
from .tables import AttemptRow, IncidentRow, JobRow, LeaseRow, ReferenceRow, WindowRow

ROWS = 500


def forget(control: Control, project: str, event_ids: Sequence[str], now: datetime) -> None:
    """Take these events out of leases, windows, references, incidents and reports of jobs."""
    gone = set(event_ids)
    for at in range(0, len(event_ids), ROWS):
        with control.session() as session:
            session.execute(
                delete(AttemptRow).where(
                    AttemptRow.project_id == project,
                    AttemptRow.event_id.in_(event_ids[at : at + ROWS]),
                )
            )
    with control.session() as session:
        _leases(session, project, gone, now)
        for row in _lists(session, project):
            row.event_ids = _without(row.event_ids, gone)
        for incident in session.scalars(
            select(IncidentRow).where(IncidentRow.project_id == project)
        ):
            _incident(incident, gone)
        _reports(session, project, min(id_time(UUID(event_id)) for event_id in gone))


def _leases(session: Session, project: str, gone: set[str], now: datetime) -> None:
    """A worker that scores a deleted event is answered 409; the other events are leased again."""
    active = select(LeaseRow).where(LeaseRow.project_id == project, LeaseRow.state == "active")
    for lease in session.scalars(active):
        if gone & set(lease.event_ids) or lease.kind == "drift":
            lease.expires_at = min(lease.expires_at, now)


def _lists(session: Session, project: str) -> Iterator[ReferenceRow | WindowRow]:
    yield from session.scalars(select(ReferenceRow).where(ReferenceRow.project_id == project))
    yield from session.scalars(select(WindowRow).where(WindowRow.project_id == project))


def _without(ids: list[Any], gone: set[str]) -> list[Any]:
    """The same list when nothing of it is gone, so that the row stays clean."""
    return [item for item in ids if item not in gone] if gone & set(ids) else ids


def _incident(row: IncidentRow, gone: set[str]) -> None:
    """Examples are few, and their traces stand beside them without saying whose they are."""
    if gone & set(row.examples):
        row.examples, row.traces = _without(row.examples, gone), []
    if any(gone & set(signal.get("examples", ())) for signal in row.signals):
        row.signals = [
            {**signal, "examples": _without(signal.get("examples", []), gone)}
            for signal in row.signals
        ]


def _reports(session: Session, project: str, since: datetime) -> None:
    """Examples of gates quote traffic and do not say whose: those of later jobs are left out."""
    query = select(JobRow).where(JobRow.project_id == project, JobRow.updated_at >= since)
    for job in session.scalars(query):
        if job.gate and job.gate.get("examples"):
            job.gate = {**job.gate, "examples": []}
