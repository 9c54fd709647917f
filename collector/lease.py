"""Leases of work in the control database: take, renew, hand in, let go.

Crash points, and why nothing is lost or scored twice:

1. Worker dies with a lease: it expires; its events, still without marker, are leased again. Each
   expiry counts as an
   attempt of its events; an event with an attempt is leased alone from then on, so a poison event
   soon stands by itself
   and is marked `failed` after MAX_ATTEMPTS, while its former neighbours are scored.
2. Collector dies before the scores are inserted: as 1; the worker's retry finds the same lease and
   hands in again.
3. Collector dies between the insert and marking the lease done: the insert was atomic per event,
   so each event has its
   marker and all its scores, or nothing; events with a marker are not pending; the worker's retry
   hands in the same
   rows with the same deduplication token (the lease's id), and ClickHouse drops what it has.
4. A lease expires while its results are on the way: `claim` refuses it (409) before anything is
   stored, and extends it
   when it accepts, so that it cannot expire during the insert. All of this is serialised by the
   project's row lock.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from driftline.sdk import records as r

from .ids import new_id
from .problem import Problem, not_found
from .tables import AttemptRow, LeaseRow, ProjectRow, WindowRow

MAX_ATTEMPTS = 3
INSERT_SECONDS = 60.0
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def lock_project(session: Session, project: str) -> ProjectRow:
    """The project's row, locked until the transaction ends (PostgreSQL; SQLite has one writer
    anyway).
    """
    row = session.get(ProjectRow, project, with_for_update=True)
    if row is None:
        raise not_found("project", project)
    return row


def held_events(session: Session, project: str, now: datetime) -> set[UUID]:
    """Events under an active lease."""
    query = select(LeaseRow.event_ids).where(
        LeaseRow.project_id == project, LeaseRow.state == "active", LeaseRow.expires_at > now
    )
    return {UUID(event_id) for ids in session.scalars(query) for event_id in ids}


def take(
    session: Session,
    project: str,
    worker: str,
    now: datetime,
    seconds: float,
    event_ids: list[str],
    window_id: str = "",
) -> LeaseRow:
    """A new lease of these events, or of this window."""
    row = LeaseRow(
        id=new_id("lea"),
        project_id=project,
        kind="drift" if window_id else "score",
        worker=worker,
        state="active",
        event_ids=event_ids,
        window_id=window_id,
        created_at=now,
        expires_at=now + timedelta(seconds=seconds),
    )
    session.add(row)
    return row


def claim(session: Session, lease_id: str, kind: str, now: datetime) -> LeaseRow:
    """The lease whose results arrive, safe from expiry while they are stored. Raises Problem 404
    or 409.
    """
    row = find(session, lease_id)
    if row.kind != kind:
        raise Problem(409, "lease_kind", f"lease {lease_id[:40]} is of kind {row.kind!r}")
    if row.state == "done":
        return row
    require_active(row, now)
    row.expires_at = max(row.expires_at, now + timedelta(seconds=INSERT_SECONDS))
    return row


def expiry(now: datetime, seconds: float) -> datetime:
    """When a lease of `seconds` taken or renewed now runs out."""
    return now + timedelta(seconds=seconds)


def find(session: Session, lease_id: str) -> LeaseRow:
    row = session.get(LeaseRow, lease_id, with_for_update=True)
    if row is None:
        raise not_found("lease", lease_id)
    return row


def require_active(row: LeaseRow, now: datetime) -> None:
    if row.state != "active" or row.expires_at <= now:
        raise Problem(
            409, "lease_lost", "this lease has expired or was given back; its work goes to others"
        )


def attempts(session: Session, project: str, event_ids: Iterable[str]) -> dict[str, AttemptRow]:
    """Failed attempts so far, by event id."""
    query = select(AttemptRow).where(
        AttemptRow.project_id == project, AttemptRow.event_id.in_(list(event_ids))
    )
    return {row.event_id: row for row in session.scalars(query)}


def count_attempts(session: Session, project: str, errors: dict[str, str]) -> None:
    """One more failed attempt for each of these events."""
    known = attempts(session, project, errors)
    for event_id, error in errors.items():
        row = known.get(event_id)
        if row is None:
            session.add(AttemptRow(project_id=project, event_id=event_id, count=1, error=error))
        else:
            row.count, row.error = row.count + 1, error


def expire(session: Session, now: datetime) -> int:
    """Let go of leases that ran out; returns how many."""
    query = select(LeaseRow).where(LeaseRow.state == "active", LeaseRow.expires_at <= now)
    rows = list(session.scalars(query.with_for_update()))
    for row in rows:
        row.state = "expired"
        errors = dict.fromkeys(row.event_ids, f"the worker {row.worker} vanished with it")
        count_attempts(session, row.project_id, errors)
        free_window(session, row)
    return len(rows)


def free_window(session: Session, row: LeaseRow) -> None:
    """The window of a lease that ended without a result waits again."""
    if row.window_id:
        waiting = update(WindowRow).where(
            WindowRow.id == row.window_id, WindowRow.state == "leased"
        )
        session.execute(waiting.values(state="pending"))


def exhausted(session: Session, project: str) -> list[AttemptRow]:
    """Events that failed too often and are not marked yet."""
    query = select(AttemptRow).where(
        AttemptRow.project_id == project, AttemptRow.count >= MAX_ATTEMPTS
    )
    return list(session.scalars(query))


def solo(waiting: list[UUID], tried: dict[str, AttemptRow], limit: int) -> list[str]:
    """What to lease of `waiting` (oldest first): events tried before go alone."""
    texts = [str(event_id) for event_id in waiting]
    if texts and texts[0] in tried:
        return texts[:1]
    fresh = [text for text in texts if text not in tried]
    return fresh[:limit]


def no_scores(event_id: str, error: str) -> r.Score:
    """The marker of an event that could not be scored."""
    return r.Score(event_id, "scored", 1.0, label="failed", explanation=error[:2000])
