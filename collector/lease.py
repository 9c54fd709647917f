"""Leases of work in the control database: take, renew, hand in, let go.

Crash points, and why nothing is lost and nothing counts twice:

1. A worker dies with a lease. The lease expires; its events, still without marker, are leased
   again, each alone from then on. Only what happens to an event alone counts as its attempt: after
   MAX_ATTEMPTS a poison event is marked `failed`, while its former neighbours are scored. (When a
   death in company counted too, one of 2,000 good events was lost to workers killed from outside.)
2. The collector dies before the scores are inserted. The worker's retry finds the same lease, still
   active, and hands in again; without a retry it is case 1.
3. The collector dies between the insert and marking the lease done. Marker and scores of an event
   are one insert into one part: all of them are there, or none. Events with a marker are not
   pending. The retry writes rows of the same sort keys, of which readers take the newest. Without a
   retry the lease expires and its events gain an attempt; `work._quarantine` drops attempts of
   events that are scored by now.
4. A lease expires while its results are on the way. `claim` refuses it (409) before anything is
   stored, and when it accepts, extends it past the insert.
5. An insert hangs longer than that, so that two workers hand in the same event. Both write the same
   sort key (project, event, name, source, version); readers take the newest row of a key, merges
   keep only that one.
6. The same results arrive twice at once (a retry behind a slow first call). Both write the same
   sort keys; the second to finish finds the lease done and counts nothing.
7. All collectors are down for longer than a lease. Workers could not renew, and that is not their
   fault: the collector that comes back extends every active lease once (`revive`).
8. A worker is so slow that it renews or hands in after its lease was taken for dead. Its results
   are refused (4), but it is alive: the attempts that this cost are taken back (`forgive`).

Changes of a project's leases are serialised by its row lock (PostgreSQL), or by the one writer that
SQLite has.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from driftline.sdk import records as r

from .ids import new_id
from .problem import Problem, not_found
from .tables import AttemptRow, LeaseRow, ProjectRow, WindowRow

MAX_ATTEMPTS = 3
INSERT_SECONDS = 60.0
KEEP_DAYS = 1.0  # a lease that ended is kept this long, to answer a late retry
MAX_ERROR_CHARS = 2000
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
    *,
    window_id: str = "",
    lane: str = "",
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
        lane=lane,
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


def count_attempts(
    session: Session, project: str, errors: dict[str, str], *, alone: bool = True
) -> None:
    """One more failed attempt for each of these events; in company they are only suspects."""
    known = attempts(session, project, errors)
    for event_id, error in errors.items():
        row = known.get(event_id)
        if row is None:
            row = AttemptRow(project_id=project, event_id=event_id, count=0, error="")
            session.add(row)
        row.count, row.error = row.count + alone, error[:MAX_ERROR_CHARS]


def expire(session: Session, now: datetime) -> int:
    """Let go of leases that ran out; returns how many."""
    query = select(LeaseRow).where(LeaseRow.state == "active", LeaseRow.expires_at <= now)
    rows = list(session.scalars(query.with_for_update(skip_locked=True)))
    for row in rows:
        let_go(session, row, "expired", f"the worker {row.worker} vanished with it")
    return len(rows)


def let_go(session: Session, row: LeaseRow, state: str, error: str) -> None:
    """End a lease without results; with an error it was a failed attempt of its work."""
    row.state = state
    if error:
        errors = dict.fromkeys(row.event_ids, error)
        count_attempts(session, row.project_id, errors, alone=len(errors) == 1)
    window = session.get(WindowRow, row.window_id) if row.window_id else None
    if window is not None and window.state == "leased":
        window.state = "pending"
        if error:
            window.attempts, window.error = window.attempts + 1, error[:MAX_ERROR_CHARS]


def forgive(session: Session, row: LeaseRow) -> None:
    """Take back the attempts that an expired lease had cost: its worker is late, not dead."""
    if row.state != "expired":
        return
    row.state = "late"
    for attempt in attempts(session, row.project_id, row.event_ids).values():
        attempt.count -= len(row.event_ids) == 1
        if attempt.count <= 0:
            session.delete(attempt)
    window = session.get(WindowRow, row.window_id) if row.window_id else None
    if window is not None and window.attempts > 0:
        window.attempts -= 1


def revive(session: Session, now: datetime, seconds: float) -> None:
    """Extend all active leases to `seconds` from now: nobody could renew them."""
    until = now + timedelta(seconds=seconds)
    stale = update(LeaseRow).where(LeaseRow.state == "active", LeaseRow.expires_at < until)
    session.execute(stale.values(expires_at=until))


def prune(session: Session, now: datetime) -> None:
    """Forget leases that ended long ago."""
    ended = LeaseRow.state != "active"
    old = LeaseRow.expires_at < now - timedelta(days=KEEP_DAYS)
    session.execute(delete(LeaseRow).where(ended, old))


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
    return r.Score(event_id, "scored", 1.0, label="failed", explanation=error)
