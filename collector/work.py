"""Work for metric workers: lease events or a drift window, hand the results in.

`lease.py` says why nothing is lost and nothing counts twice.
"""

from __future__ import annotations

import base64
import binascii
import math
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field
from sqlalchemy import delete
from sqlalchemy.orm import Session

from driftline.sdk import records as r

from . import lease, marks, pending, turns, watch
from .auth import Caller, require
from .bodies import read_bodies
from .clock import rfc3339
from .problem import NOTHING, Problem, not_found
from .services import Parts, Services
from .tables import AttemptRow, LeaseRow

router = APIRouter(prefix="/v1/work", tags=["work"])
Worker = Annotated[Caller, Depends(require("work", project=False))]
VECTOR_BYTES = 4
MAX_DIMENSIONS = 8192
MAX_RESULTS = 200_000  # 400 metrics of the 500 events that a lease may hold


class LeaseRequest(BaseModel):
    worker: str = Field(min_length=1, max_length=200)
    max_events: int = Field(32, ge=1, le=500)
    lease_seconds: float = Field(60.0, ge=1, le=3600)


class Renewal(BaseModel):
    lease_seconds: float = Field(60.0, ge=1, le=3600)


class Results(BaseModel):
    scores: list[r.Score] = Field(max_length=MAX_RESULTS)
    embeddings: list[r.Embedding] = Field(max_length=MAX_RESULTS)
    failed: dict[str, str] = {}


class Release(BaseModel):
    error: str = Field("", max_length=2000)


@router.post("/lease", response_model=None, responses={200: {"model": r.Lease}, **NOTHING})
def lease_work(body: LeaseRequest, caller: Worker, parts: Parts) -> r.Lease | Response:
    """Work for a worker, or 204: a drift window first, else events, fresh ones first (`turns`)."""
    with parts.control.reading() as session:
        windows = turns.windows(session, caller.project)
        lanes = turns.order(session, caller.project)
    for project in windows:
        if (found := _lease_window(parts, project, body)) is not None:
            return found
    for lane in lanes:
        for turn in turns.worth_trying(parts.clickhouse, lane, parts.clock()):
            if (found := _lease_events(parts, turn, body)) is not None:
                return found
    return Response(status_code=204)


@router.post("/{lease_id}/renew", status_code=204)
def renew(lease_id: str, body: Renewal, caller: Worker, parts: Parts) -> None:
    """Keep a lease."""
    now = parts.clock()
    _hear(parts, lease_id, caller)
    with parts.control.session() as session:
        row = lease.find(session, lease_id)
        lease.require_active(row, now)
        row.expires_at = lease.expiry(now, body.lease_seconds)


@router.post("/{lease_id}/scores", status_code=204)
def hand_in_scores(lease_id: str, body: Results, caller: Worker, parts: Parts) -> None:
    """All results of a lease of events. Handing in the same lease again changes nothing."""
    now = parts.clock()
    _hear(parts, lease_id, caller)
    with parts.control.session() as session:
        row = lease.claim(session, lease_id, "score", now)
        if row.state == "done":
            return
    _check_results(row, body)
    _store_results(parts, row, body)
    _finish(parts, row, body.failed)


@router.post("/{lease_id}/drift", status_code=204)
def hand_in_drift(lease_id: str, body: r.DriftResult, caller: Worker, parts: Parts) -> None:
    """The result of a drift window."""
    now = parts.clock()
    _hear(parts, lease_id, caller)
    with parts.control.session() as session:
        row = lease.claim(session, lease_id, "drift", now)
        if row.state == "done":
            return
    if body.window_id != row.window_id:
        raise Problem(
            422, "invalid_field", "window_id is not the leased window's", field="window_id"
        )
    watch.store(parts, row, body)


@router.post("/{lease_id}/release", status_code=204)
def release(lease_id: str, body: Release, caller: Worker, parts: Parts) -> None:
    """Give work back undone; with an error it counts as a failed attempt of its events."""
    _hear(parts, lease_id, caller)
    with parts.control.session() as session:
        row = lease.find(session, lease_id)
        if row.state == "active":
            lease.let_go(session, row, "released", body.error)


# -------------------------------------------------------------------- leasing


def _lease_window(parts: Services, project: str, body: LeaseRequest) -> r.Lease | None:
    now = parts.clock()
    with parts.control.session() as session:
        window = watch.waiting(session, project)
        if window is None:
            return None
        row = lease.take(
            session, project, body.worker, now, body.lease_seconds, [], window_id=window.id
        )
        window.state = "leased"
        task = watch.task(session, window)
    return r.Lease(row.id, "drift", project, rfc3339(row.expires_at), [], task)


def _lease_events(parts: Services, turn: turns.Turn, body: LeaseRequest) -> r.Lease | None:
    now, project = parts.clock(), turn.project
    find = pending.fresh if turn.lane == "fresh" else pending.oldest
    with parts.control.session() as session:
        locked = lease.lock_project(session, project)
        since = locked.scored_through or lease.LONG_AGO
        _quarantine(parts, session, project)
        held = lease.held_events(session, project, now)
        fresh_from = turns.fresh_from(now)
        waiting = find(parts.clickhouse, project, since, fresh_from, held, body.max_events)
        tried = lease.attempts(session, project, map(str, waiting))
        ids = lease.solo(waiting, tried, body.max_events)
        if not ids:
            return None
        row = lease.take(
            session, project, body.worker, now, body.lease_seconds, ids, lane=turn.lane
        )
        locked.turns += 1
    events = read_bodies(parts.clickhouse, project, ids)
    chosen = parts.policies.of(project)
    on, off = chosen.metrics_on, chosen.metrics_off
    return r.Lease(row.id, "score", project, rfc3339(row.expires_at), events, None, on, off)


def _quarantine(parts: Services, session: Session, project: str) -> None:
    """Mark events that failed too often as `failed`, and stop counting them."""
    rows = lease.exhausted(session, project)
    done = marks.scored(parts.clickhouse, project, [row.event_id for row in rows])
    hopeless = [row for row in rows if row.event_id not in done]
    markers = [lease.no_scores(row.event_id, row.error) for row in hopeless]
    _insert_scores(parts, project, markers)
    for row in rows:
        session.delete(row)


# ------------------------------------------------------------------- handing in


def _hear(parts: Services, lease_id: str, caller: Caller) -> None:
    """A worker speaks of a lease: it may, and it is alive. Raises Problem 404.

    A transaction of its own: what follows may be refused, and is then rolled back.
    """
    with parts.control.session() as session:
        row = lease.find(session, lease_id)
        if caller.project and caller.project != row.project_id:
            raise not_found("lease", lease_id)
        lease.forgive(session, row)


def _check_results(row: LeaseRow, body: Results) -> None:
    """Every result must be about an event of the lease, and storable. Raises Problem 422."""
    named = {s.event_id for s in body.scores} | {e.event_id for e in body.embeddings}
    foreign = (named | set(body.failed)) - set(row.event_ids)
    if foreign:
        message = f"event {min(foreign)[:40]} is not part of this lease"
        raise Problem(422, "invalid_field", message, field="event_id")
    for score in body.scores:
        if score.name == marks.MARKER:
            raise Problem(
                422, "invalid_field", "the collector writes `scored` itself", field="name"
            )
        numbers = (score.value or 0.0, *score.stats.values())
        if not all(math.isfinite(number) for number in numbers):
            message = f"{score.name[:40]} is not finite: send null and say why in `explanation`"
            raise Problem(422, "invalid_field", message, field="value")


def _store_results(parts: Services, row: LeaseRow, body: Results) -> None:
    """Embeddings first; then scores and markers in one insert, so that a marker means all is
    there.
    """
    failed = set(body.failed)
    now = rfc3339(parts.clock())
    vectors = [
        {
            "project": row.project_id,
            "event_id": e.event_id,
            "field": e.field,
            "model": e.model,
            "vector": _vector(e),
            "computed_at": now,
        }
        for e in body.embeddings
        if e.event_id not in failed
    ]
    parts.clickhouse.insert("embeddings", vectors)
    scores = [score for score in body.scores if score.event_id not in failed]
    done = [r.Score(i, marks.MARKER, 1.0, label="ok") for i in row.event_ids if i not in failed]
    _insert_scores(parts, row.project_id, [*scores, *done])


def _finish(parts: Services, row: LeaseRow, failed: dict[str, str]) -> None:
    """The lease is done; forget the attempts of what is scored, count those of what failed."""
    with parts.control.session() as session:
        found = lease.find(session, row.id)
        if found.state != "active":
            return
        found.state = "done"
        lease.count_attempts(session, row.project_id, failed)
        scored = [event_id for event_id in row.event_ids if event_id not in failed]
        session.execute(
            delete(AttemptRow).where(
                AttemptRow.project_id == row.project_id, AttemptRow.event_id.in_(scored)
            )
        )


def _insert_scores(parts: Services, project: str, scores: list[r.Score]) -> None:
    now = rfc3339(parts.clock())
    weights = marks.weights(parts.clickhouse, project, list({s.event_id for s in scores}))
    rows: list[dict[str, Any]] = [
        {
            "project": project,
            "event_id": score.event_id,
            "name": score.name,
            "value": score.value,
            "label": score.label,
            "explanation": score.explanation,
            "spans": orjson.dumps([r.encode(span) for span in score.spans]).decode(),
            "stats": score.stats,
            "source": "worker",
            "metric_version": score.metric_version or marks.METRIC_SET_VERSION,
            "model": score.model,
            "sample_weight": weights.get(score.event_id, 1.0),
            "computed_at": now,
        }
        for score in scores
    ]
    parts.clickhouse.insert("scores", rows)


def _vector(embedding: r.Embedding) -> list[float]:
    """The floats of an embedding. Raises Problem 422."""
    try:
        data = base64.b64decode(embedding.vector, validate=True)
    except binascii.Error as error:
        raise Problem(
            422, "invalid_field", f"vector is not base64: {error}", field="vector"
        ) from None
    if not data or len(data) % VECTOR_BYTES or len(data) > MAX_DIMENSIONS * VECTOR_BYTES:
        message = f"vector must hold 1 to {MAX_DIMENSIONS} little-endian float32 values"
        raise Problem(422, "invalid_field", message, field="vector")
    return [float(x) for x in memoryview(data).cast("f")]
