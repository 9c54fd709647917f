"""Whose events a worker gets next: what just arrived first, the backlog with the rest.

An event is *fresh* while it was made less than FRESH_SECONDS ago and was never marked; all other
pending events are the *backlog*: imported or sent late, rescored, retried, or left over from a
rush. Fresh events go first, in every project, so nobody's backlog delays them; but every
BACKLOG_EVERY-th lease tries the backlog first, so that a rush that never ends does not starve it.
In both lanes projects take turns: the one served longest ago in that lane is next.

Within a lane the oldest goes first. Where workers cannot keep up at all, fresh events wait
FRESH_SECONDS at most before newer ones overtake them: charts stay that close to now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from .lease import LONG_AGO
from .tables import LeaseRow, ProjectRow

FRESH_SECONDS = 300.0
BACKLOG_EVERY = 8

Lane = Literal["fresh", "backlog"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing to try: the events of a project in a lane."""

    project: str
    lane: Lane


def order(session: Session, project: str) -> list[Turn]:
    """What to try, in order, for a worker of `project`, or of all projects ("")."""
    query = select(ProjectRow.id, ProjectRow.turns).order_by(ProjectRow.created_at)
    if project:
        query = query.where(ProjectRow.id == project)
    given = {found.id: found.turns for found in session.execute(query)}
    served = _last_served(session)

    def lane(name: Lane) -> list[Turn]:
        ids = sorted(given, key=lambda i: served.get((i, name), LONG_AGO))
        return [Turn(i, name) for i in ids]

    fresh, backlog = lane("fresh"), lane("backlog")
    return [*backlog, *fresh] if is_backlogs_turn(sum(given.values())) else [*fresh, *backlog]


def is_backlogs_turn(leases_given: int) -> bool:
    """Whether the next lease tries the backlog first."""
    return leases_given % BACKLOG_EVERY == BACKLOG_EVERY - 1


def fresh_from(now: datetime) -> datetime:
    """Events made before this are not fresh."""
    return now - timedelta(seconds=FRESH_SECONDS)


def _last_served(session: Session) -> dict[tuple[str, str], datetime]:
    """When a project last got a worker in a lane, as far as leases are remembered."""
    query = select(LeaseRow.project_id, LeaseRow.lane, func.max(LeaseRow.created_at))
    rows = session.execute(query.group_by(LeaseRow.project_id, LeaseRow.lane)).all()
    return {(project, lane): at for project, lane, at in rows}
