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

from . import pending
from .clickhouse import ClickHouse
from .lease import LONG_AGO
from .tables import LeaseRow, ProjectRow, WindowRow

FRESH_SECONDS = 300.0
BACKLOG_EVERY = 8

Lane = Literal["fresh", "backlog"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing to try: the events of a project in a lane; all that came before `since` is done."""

    project: str
    lane: Lane
    since: datetime


def order(session: Session, project: str) -> tuple[list[Turn], list[Turn]]:
    """What to try first and what else, in order, for a worker of `project`, or of all (""): a lane
    each.
    """
    query = select(ProjectRow).order_by(ProjectRow.created_at)
    if project:
        query = query.where(ProjectRow.id == project)
    projects = list(session.scalars(query))
    served = _last_served(session)

    def lane(name: Lane) -> list[Turn]:
        turns = [Turn(p.id, name, p.scored_through or LONG_AGO) for p in projects]
        return sorted(turns, key=lambda turn: served.get((turn.project, name), LONG_AGO))

    backlog_first = is_backlogs_turn(sum(p.turns for p in projects))
    fresh, backlog = lane("fresh"), lane("backlog")
    return (backlog, fresh) if backlog_first else (fresh, backlog)


def windows(session: Session, project: str) -> list[str]:
    """Projects with a drift window to be tested, the one that waits longest first."""
    query = select(WindowRow.project_id).where(WindowRow.state == "pending")
    if project:
        query = query.where(WindowRow.project_id == project)
    return list(dict.fromkeys(session.scalars(query.order_by(WindowRow.created_at))))


def worth_trying(clickhouse: ClickHouse, turns: list[Turn], now: datetime) -> list[Turn]:
    """The turns of one lane that may find something: one question for all projects, not one each.

    Some may find nothing after all: what others hold is not looked at here.
    """
    if len(turns) < 2:
        return turns
    since = {turn.project: turn.since for turn in turns}
    if turns[0].lane == "fresh":
        found = pending.having_fresh(clickhouse, since, fresh_from(now))
    else:
        found = pending.having_pending(clickhouse, since)
    return [turn for turn in turns if turn.project in found]


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
