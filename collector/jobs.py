"""Fine-tuning jobs and the model registry over HTTP; `tuning.py` holds the rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from driftline.sdk import records as r

from . import tuning
from .auth import Caller, require
from .clock import rfc3339
from .lease import lock_project
from .problem import NOTHING, Problem, not_found
from .services import Parts
from .tables import JobRow, LossRow, ModelRow
from .window import given_time

router = APIRouter(tags=["jobs"])
Reader = Annotated[Caller, Depends(require("read"))]
Admin = Annotated[Caller, Depends(require("admin"))]
Executor = Annotated[Caller, Depends(require("work", project=False))]


class NewJob(BaseModel):
    spec: r.JobSpec
    idempotency_key: str = Field(min_length=1, max_length=200)


class LeaseRequest(BaseModel):
    executor: str = Field(min_length=1, max_length=200)
    lease_seconds: float = Field(60.0, ge=1, le=3600)


class Loss(BaseModel):
    """`driftline.sdk.records.LossPoint`, with its bounds."""

    phase: Literal["pilot", "train"]
    split: Literal["train", "validation"]
    step: int = Field(ge=0, le=2**31 - 1)
    loss: float
    learning_rate: float
    seconds: float


class Report(LeaseRequest):
    state: Literal["preparing_data", "pilot", "training", "evaluating"]
    message: str = Field("", max_length=2000)
    dataset: r.DatasetReport | None = None
    losses: list[Loss] = Field(default=[], max_length=10_000)


class Finish(BaseModel):
    executor: str = Field(min_length=1, max_length=200)
    gate: r.GateReport | None = None
    model: r.ModelVersion | None = None
    error: str = Field("", max_length=10_000)


@router.post("/v1/jobs")
def create_job(body: NewJob, caller: Admin, parts: Parts) -> r.Job:
    """Queue a job; the same idempotency key returns the job it made."""
    with parts.control.session() as session:
        key = body.idempotency_key
        lock_project(session, caller.project)  # of two that race, the second finds the first's job
        spec = _within_time(body.spec)
        return tuning.record(tuning.create(parts, session, caller.project, spec, key, "queued"))


def _within_time(spec: r.JobSpec) -> r.JobSpec:
    """The spec with times that the executor and retention can read. Raises Problem 422."""
    since, until = _readable("since", spec.since), _readable("until", spec.until)
    return replace(spec, since=since, until=until)


def _readable(name: str, text: str) -> str:
    return rfc3339(given_time(f"spec.{name}", text)) if text else ""


@router.get("/v1/jobs")
def list_jobs(
    caller: Reader, parts: Parts, limit: Annotated[int, Query(ge=1, le=1000)] = 50
) -> dict[str, list[r.Job]]:
    """Jobs, newest first, without their loss curves."""
    query = select(JobRow).where(JobRow.project_id == caller.project)
    with parts.control.reading() as session:
        rows = session.scalars(query.order_by(JobRow.created_at.desc()).limit(limit))
        return {"jobs": [tuning.record(row) for row in rows]}


@router.get("/v1/jobs/{job_id}")
def get_job(job_id: str, caller: Reader, parts: Parts) -> r.Job:
    with parts.control.reading() as session:
        row = _find(session, caller, job_id)
        losses = session.scalars(
            select(LossRow)
            .where(LossRow.job_id == row.id)
            .order_by(LossRow.phase, LossRow.step, LossRow.split)
        )
        return tuning.record(row, list(losses))


@router.post("/v1/jobs/{job_id}/approve")
def approve_job(job_id: str, caller: Admin, parts: Parts) -> r.Job:
    """Let a proposed job run; doing it twice is fine."""
    with parts.control.session() as session:
        row = _find(session, caller, job_id)
        if row.state == "proposed":
            tuning.move(row, "queued", parts.clock())
        return tuning.record(row)


@router.post("/v1/jobs/{job_id}/cancel")
def cancel_job(job_id: str, caller: Admin, parts: Parts) -> r.Job:
    """Stop a job; its executor hears of it at its next report."""
    with parts.control.session() as session:
        row = _find(session, caller, job_id)
        if row.state != "cancelled":
            tuning.move(row, "cancelled", parts.clock())
        return tuning.record(row)


@router.post("/v1/jobs/lease", response_model=None, responses={200: {"model": r.Job}, **NOTHING})
def lease_job(body: LeaseRequest, caller: Executor, parts: Parts) -> r.Job | Response:
    """A job for an executor, or 204."""
    with parts.control.session() as session:
        row = tuning.lease(parts, session, caller.project, body.executor, body.lease_seconds)
        return tuning.record(row) if row is not None else Response(status_code=204)


@router.post("/v1/jobs/{job_id}/report")
def report_job(job_id: str, body: Report, caller: Executor, parts: Parts) -> r.Job:
    """Progress of a running job, and a renewed lease."""
    now = parts.clock()
    with parts.control.session() as session:
        row = _find(session, caller, job_id)
        tuning.require_holder(row, body.executor, now)
        tuning.move(row, body.state, now)
        row.lease_expires_at = now + timedelta(seconds=body.lease_seconds)
        row.message = body.message or row.message
        row.dataset = r.encode(body.dataset) if body.dataset else row.dataset
        tuning.add_losses(
            session, row.id, [r.LossPoint(**loss.model_dump()) for loss in body.losses]
        )
        return tuning.record(row)


@router.post("/v1/jobs/{job_id}/finish")
def finish_job(job_id: str, body: Finish, caller: Executor, parts: Parts) -> r.Job:
    """The end of a running job; the same end reported again changes nothing."""
    if body.model and not 0 <= body.model.version < 2**31:
        raise Problem(422, "invalid_field", "no such version", field="model.version")
    with parts.control.session() as session:
        row = _find(session, caller, job_id)
        if row.state in tuning.ENDS and row.executor == body.executor and row.state != "cancelled":
            return tuning.record(row)
        tuning.require_holder(row, body.executor, parts.clock())
        error = body.error or (
            "" if body.gate else "the executor gave neither a verdict nor an error"
        )
        tuning.finish(parts, session, row, body.gate, body.model, error)
        return tuning.record(row)


@router.get("/v1/models")
def list_models(caller: Reader, parts: Parts) -> dict[str, list[r.ModelVersion]]:
    """The registry, newest first."""
    query = select(ModelRow).where(ModelRow.project_id == caller.project)
    with parts.control.reading() as session:
        rows = session.scalars(query.order_by(ModelRow.created_at.desc()))
        return {"models": [_model(row) for row in rows]}


def _find(session: Session, caller: Caller, job_id: str) -> JobRow:
    row = session.get(JobRow, job_id, with_for_update=True)
    if row is None or (caller.project and row.project_id != caller.project):
        raise not_found("job", job_id)
    return row


def _model(row: ModelRow) -> r.ModelVersion:
    return r.ModelVersion(
        id=row.id,
        project=row.project_id,
        job_id=row.job_id,
        name=row.name,
        version=row.version,
        kind=row.kind,
        base=row.base,
        base_sha256=row.base_sha256,
        sha256=row.sha256,
        uri=row.uri,
        verdict=row.verdict,
        created_at=rfc3339(row.created_at),
        manifest=row.manifest,
    )
