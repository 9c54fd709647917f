"""Watching a project for drift: the reference, the windows after it, and what a tested window sets
off.

Event order is the order of (time inside the id, id). The reference is the first `reference_events`
scored llm events, or what a person pinned; each next `window_events` are a window, planned once all
of them are scored. Events that could not be scored are left out; events that arrive late, behind a
planned window's end, belong to no window.

A window's result goes to ClickHouse first and then, in one transaction, to the control database
(window done, incident, outbox, job). A crash in between leaves the window leased; it is computed
again, under the same id and with the same seed, and replaces its own row. A window that workers
failed at MAX_ATTEMPTS times is closed as `not_enough_data` with their error, so that it holds up
neither the next windows nor the scoring.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from uuid import UUID

import orjson
import structlog
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from driftline.sdk import records as r

from . import incidents, lease, marks, pending
from .bodies import traces_of
from .clock import rfc3339
from .event import id_time
from .ids import new_id
from .problem import Problem
from .services import Services
from .tables import LeaseRow, ProjectRow, ReferenceRow, WindowRow
from .window import given_time

log = structlog.get_logger(__name__)
NOBODY = UUID(int=0)
MAX_REFERENCE = 5000
MIN_REFERENCE = 2 * incidents.MIN_EVENTS
MAX_PLANNED = 20  # windows a round, so that a long history does not hold the project's lock
LOOK_SECONDS = 0.2
SETTLE_SECONDS = 120.0  # an insert that was stamped this long ago may still be on its way
HORIZON = timedelta(days=2)  # nothing lies further in the future


def monitor_of(project: ProjectRow) -> r.Monitor:
    """How the project is watched."""
    return r.decode_record(r.Monitor, project.monitor)


def plan(parts: Services, project_id: str) -> int:
    """Fix the reference and the windows whose events are all scored, and close hopeless windows.

    Returns how many windows are new.
    """
    _give_up(parts, project_id)
    with parts.control.session() as session:
        project = lease.lock_project(session, project_id)
        monitor = monitor_of(project)
        if not monitor.enabled:
            return 0
        reference = session.get(ReferenceRow, project.reference_id)
        if reference is None:
            reference = _first_reference(parts, session, project, monitor)
        planned = 0
        while reference is not None and planned < MAX_PLANNED:
            if not _next_window(parts, session, reference, monitor):
                break
            planned += 1
    if planned:
        log.info("drift_windows_planned", project=project_id, count=planned)
    return planned


def _first_reference(
    parts: Services, session: Session, project: ProjectRow, monitor: r.Monitor
) -> ReferenceRow | None:
    found = _take(parts, project.id, NOBODY, monitor.reference_events)
    if len(found) < monitor.reference_events:
        return None
    return _adopt(parts, session, project, f"first {len(found)} events", found)


def _adopt(
    parts: Services, session: Session, project: ProjectRow, name: str, found: list[marks.Marked]
) -> ReferenceRow:
    """Make these events the project's reference; windows begin behind them and behind earlier
    windows.
    """
    row = ReferenceRow(
        id=new_id("ref"),
        project_id=project.id,
        name=name,
        start=rfc3339(found[0].time),
        end=rfc3339(found[-1].time),
        event_ids=[str(event.id) for event in found],
        after=_latest_event(session, project.id, found[-1]),
        created_at=parts.clock(),
    )
    session.add(row)
    session.flush()
    project.reference_id = row.id
    return row


def _latest_event(session: Session, project: str, candidate: marks.Marked) -> str:
    """The later of `candidate` and the last event of the last window, in event order."""
    last = _last_window(session, WindowRow.project_id == project)
    ends = [UUID(last.event_ids[-1])] if last else []
    return str(max([*ends, candidate.id], key=lambda event_id: (id_time(event_id), event_id.int)))


def _last_window(session: Session, *where: ColumnElement[bool]) -> WindowRow | None:
    """The window planned last; windows are planned in event order."""
    order = (WindowRow.created_at.desc(), WindowRow.index.desc())
    return session.scalars(select(WindowRow).where(*where).order_by(*order).limit(1)).first()


def _window_end(session: Session, reference: ReferenceRow) -> tuple[int, UUID]:
    """The index of the reference's last window (0: none yet) and the event that ends it."""
    last = _last_window(session, WindowRow.reference_id == reference.id)
    return (last.index, UUID(last.event_ids[-1])) if last else (0, UUID(reference.after))


def _next_window(
    parts: Services, session: Session, reference: ReferenceRow, monitor: r.Monitor
) -> bool:
    index, after = _window_end(session, reference)
    found = _take(parts, reference.project_id, after, monitor.window_events)
    if len(found) < monitor.window_events:
        return False
    session.add(_window(parts, reference, monitor, index + 1, found))
    session.flush()
    return True


def _window(
    parts: Services,
    reference: ReferenceRow,
    monitor: r.Monitor,
    index: int,
    found: list[marks.Marked],
) -> WindowRow:
    window_id = f"win_{reference.id.removeprefix('ref_')}_{index}"
    return WindowRow(
        id=window_id,
        project_id=reference.project_id,
        reference_id=reference.id,
        index=index,
        state="pending",
        start=rfc3339(found[0].time),
        end=rfc3339(found[-1].time),
        event_ids=[str(event.id) for event in found],
        alpha=monitor.alpha,
        permutations=monitor.permutations,
        seed=_seed(window_id),
        attempts=0,
        error="",
        decision="",
        incident_id="",
        created_at=parts.clock(),
        done_at=None,
    )


def _seed(window_id: str) -> int:
    """A seed that a repeated computation of the window finds again."""
    return int.from_bytes(hashlib.sha256(window_id.encode()).digest()[:4])


def _take(parts: Services, project: str, after: UUID, wanted: int) -> list[marks.Marked]:
    """The next scored events behind `after`, up to the first pending one; at most `wanted`."""
    found: list[marks.Marked] = []
    until = parts.clock() + HORIZON
    while len(found) < wanted:
        since = id_time(after) if after != NOBODY else lease.LONG_AGO
        page = marks.in_order(parts.clickhouse, project, after, since, until, wanted)
        for event in page:
            if not event.label:
                return found
            if event.label == "ok" and len(found) < wanted:
                found.append(event)
        if len(page) < wanted:
            return found
        after = page[-1].id
    return found


# --------------------------------------------------------------------- testing


def waiting(session: Session, project: str) -> WindowRow | None:
    """The oldest window that is to be tested; a project's windows are tested one after another."""
    query = (
        select(WindowRow)
        .where(WindowRow.project_id == project, WindowRow.state != "done")
        .order_by(WindowRow.created_at, WindowRow.index)
        .limit(1)
        .with_for_update()
    )
    row = session.scalars(query).first()
    untried = row is not None and row.attempts < lease.MAX_ATTEMPTS
    return row if row is not None and row.state == "pending" and untried else None


def task(session: Session, window: WindowRow) -> r.DriftTask:
    """What a worker needs to know of the window."""
    reference = session.get_one(ReferenceRow, window.reference_id)
    return r.DriftTask(
        window.id,
        r.WindowRef(reference.name, reference.start, reference.end, reference.event_ids),
        r.WindowRef(f"window {window.index}", window.start, window.end, window.event_ids),
        window.alpha,
        window.permutations,
        window.seed,
    )


def store(parts: Services, row: LeaseRow, result: r.DriftResult) -> None:
    """Keep the result of a leased window and do what it calls for."""
    _settle(parts, row.window_id, result, row.id)


def _give_up(parts: Services, project_id: str) -> None:
    """Close windows that nobody can test, with the last error."""
    with parts.control.reading() as session:
        query = select(WindowRow.id, WindowRow.alpha, WindowRow.error).where(
            WindowRow.project_id == project_id,
            WindowRow.state == "pending",
            WindowRow.attempts >= lease.MAX_ATTEMPTS,
        )
        hopeless = list(session.execute(query))
    for window_id, alpha, error in hopeless:
        summary = f"The window could not be tested ({lease.MAX_ATTEMPTS} attempts): {error}"
        log.warning("drift_window_given_up", window=window_id)
        _settle(
            parts, window_id, r.DriftResult(window_id, "not_enough_data", alpha, summary, [], [])
        )


def _settle(parts: Services, window_id: str, result: r.DriftResult, lease_id: str = "") -> None:
    with parts.control.reading() as session:
        window = session.get_one(WindowRow, window_id)
        reference = session.get_one(ReferenceRow, window.reference_id)
    parts.clickhouse.insert("drift", [_drift_row(parts, window, reference, result)])
    traces = traces_of(parts.clickhouse, window.project_id, incidents.examples(result))
    with parts.control.session() as session:
        project = lease.lock_project(session, window.project_id)
        window = session.get_one(WindowRow, window_id)
        if lease_id:
            lease.find(session, lease_id).state = "done"
        if window.state == "done":
            return
        window.state, window.decision, window.done_at = "done", result.decision, parts.clock()
        window.incident_id = incidents.after_window(
            parts, session, project, monitor_of(project), window, result, traces
        )


def _drift_row(
    parts: Services, window: WindowRow, reference: ReferenceRow, result: r.DriftResult
) -> dict[str, object]:
    return {
        "project": window.project_id,
        "window_id": window.id,
        "index": window.index,
        "reference": reference.name,
        "start": window.start,
        "end": window.end,
        "n_reference": len(reference.event_ids),
        "n_current": len(window.event_ids),
        "decision": result.decision,
        "result": orjson.dumps(r.encode(result)).decode(),
        "computed_at": rfc3339(parts.clock()),
    }


# ------------------------------------------------------------------ status, pinning


def pin(parts: Services, project_id: str, start: str, end: str, name: str) -> None:
    """Use the scored llm events of [start, end) as the reference. Raises Problem 422."""
    first, last = given_time("start", start), given_time("end", end)
    page = marks.in_order(parts.clickhouse, project_id, NOBODY, first, last, MAX_REFERENCE)
    found = [event for event in page if event.label == "ok"]
    if len(found) < MIN_REFERENCE:
        message = f"{len(found)} scored llm events in that time; a reference needs {MIN_REFERENCE}"
        raise Problem(422, "too_few_events", message, field="start")
    with parts.control.session() as session:
        project = lease.lock_project(session, project_id)
        _adopt(parts, session, project, name or f"{start} to {end}", found)


def status(parts: Services, project_id: str) -> r.DriftStatus:
    """Where the watch stands."""
    with parts.control.reading() as session:
        project = session.get_one(ProjectRow, project_id)
        monitor = monitor_of(project)
        reference = session.get(ReferenceRow, project.reference_id)
        done = session.scalar(
            select(func.count()).where(
                WindowRow.project_id == project_id, WindowRow.state == "done"
            )
        )
        after = _window_end(session, reference)[1] if reference else NOBODY
    state = ("watching" if reference else "learning") if monitor.enabled else "off"
    wanted = monitor.window_events if reference else monitor.reference_events
    found = len(_take(parts, project_id, after, wanted))
    if reference is None:
        return _status(state, None, found, done or 0, 0, monitor)
    return _status(state, reference, len(reference.event_ids), done or 0, found, monitor)


def _status(
    state: str,
    reference: ReferenceRow | None,
    count: int,
    windows: int,
    next_events: int,
    monitor: r.Monitor,
) -> r.DriftStatus:
    return r.DriftStatus(
        state=state,  # type: ignore[arg-type]  # one of the three words above
        reference_name=reference.name if reference else "",
        reference_start=reference.start if reference else "",
        reference_end=reference.end if reference else "",
        reference_count=count,
        reference_wanted=count if reference else monitor.reference_events,
        windows=windows,
        events_in_next_window=next_events,
        window_events=monitor.window_events,
        monitor=monitor,
    )


def advance(parts: Services, project_id: str) -> None:
    """Move the watermark before which every event is known to be scored.

    The project stays locked meanwhile, for about LOOK_SECONDS: a rescoring between the question
    and the answer would otherwise be passed over.
    """
    safe = parts.clock() - timedelta(seconds=SETTLE_SECONDS)
    with parts.control.session() as session:
        project = lease.lock_project(session, project_id)
        since = project.scored_through or lease.LONG_AGO
        project.scored_through = pending.scored_until(
            parts.clickhouse, project_id, since, safe, LOOK_SECONDS
        )
