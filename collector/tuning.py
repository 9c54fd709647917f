"""Fine-tuning jobs: their states, who may move them, and what an incident asks for.

    proposed ──approve──▶ queued ──lease──▶ preparing_data ▶ pilot ▶ training ▶ evaluating
                            ▲                    │                                  │
                            └── lease ran out ───┤ (any of the four)                ▼
                             (3 attempts at most)└── error ▶ failed       promoted | rejected

    cancel: any state that is not an end ▶ cancelled

`promoted` and `rejected` are the gate's verdicts. An executor holds a job by a lease, as workers
hold events; stages only go forward within an attempt. Each move is checked against ALLOWED in the
transaction that makes it, with the row locked, so of two that race one is refused (409).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from driftline.sdk import records as r

from . import outbox
from .clock import rfc3339
from .ids import new_id
from .problem import Problem
from .services import Services
from .tables import IncidentRow, JobRow, LossRow, ModelRow, ProjectRow

MAX_ATTEMPTS = 3
RUNNING = ("preparing_data", "pilot", "training", "evaluating")
ENDS = ("promoted", "rejected", "failed", "cancelled")
# From which states a job may enter a state.
ALLOWED: dict[str, tuple[str, ...]] = {
    "queued": ("proposed", *RUNNING),
    "preparing_data": ("queued", "preparing_data"),
    "pilot": RUNNING[:2],
    "training": RUNNING[:3],
    "evaluating": RUNNING,
    "promoted": RUNNING,
    "rejected": RUNNING,
    "failed": ("queued", *RUNNING),
    "cancelled": ("proposed", "queued", *RUNNING),
}


def move(row: JobRow, state: str, now: datetime) -> None:
    """Put a job into `state`. Raises Problem 409 when it may not go there."""
    if row.state not in ALLOWED.get(state, ()):
        raise Problem(409, "job_state", f"a job that is {row.state} cannot become {state}")
    row.state, row.updated_at = state, now


def create(
    parts: Services,
    session: Session,
    project: str,
    spec: r.JobSpec,
    key: str,
    state: str,
    incident_id: str = "",
) -> JobRow:
    """A new job, or the one that this idempotency key made."""
    query = select(JobRow).where(JobRow.project_id == project, JobRow.idempotency_key == key)
    row = session.scalars(query).first()
    if row is not None:
        return row
    now = parts.clock()
    row = JobRow(
        id=new_id("job"),
        project_id=project,
        incident_id=incident_id,
        idempotency_key=key,
        state=state,
        spec=r.encode(spec),
        executor="",
        attempts=0,
        message="",
        error="",
        dataset=None,
        gate=None,
        model_id="",
        created_at=now,
        updated_at=now,
        lease_expires_at=None,
    )
    session.add(row)
    session.flush()
    return row


def propose(
    parts: Services,
    session: Session,
    project: ProjectRow,
    monitor: r.Monitor,
    incident: IncidentRow,
) -> None:
    """The job that an incident asks for by the monitor's policy: none, one to approve, or one to
    run.
    """
    if monitor.finetune == "off":
        return
    state = "queued" if monitor.finetune == "auto" else "proposed"
    spec = monitor.job or r.JobSpec()
    job = create(parts, session, project.id, spec, incident.id, state, incident.id)
    incident.job_id = job.id


def lease(
    parts: Services, session: Session, project: str, executor: str, seconds: float
) -> JobRow | None:
    """The oldest queued job, now held by `executor`."""
    query = select(JobRow).where(JobRow.state == "queued").order_by(JobRow.created_at).limit(1)
    if project:
        query = query.where(JobRow.project_id == project)
    row = session.scalars(query.with_for_update(skip_locked=True)).first()
    if row is None:
        return None
    now = parts.clock()
    move(row, "preparing_data", now)
    row.executor, row.attempts = executor, row.attempts + 1
    row.lease_expires_at = now + timedelta(seconds=seconds)
    return row


def require_holder(row: JobRow, executor: str, now: datetime) -> None:
    """Raises Problem 409 unless `executor` holds the job."""
    if row.state in ENDS:
        raise Problem(409, "job_state", f"this job is {row.state}")
    expired = row.lease_expires_at is None or row.lease_expires_at <= now
    if row.executor != executor or row.state not in RUNNING or expired:
        raise Problem(409, "lease_lost", "this job is no longer held by this executor")


def add_losses(session: Session, job_id: str, points: Sequence[r.LossPoint]) -> None:
    """Add points to the loss curve; a point reported again replaces itself."""
    for p in points:
        session.merge(
            LossRow(
                job_id=job_id,
                phase=p.phase,
                split=p.split,
                step=p.step,
                loss=p.loss,
                learning_rate=p.learning_rate,
                seconds=p.seconds,
            )
        )


def finish(
    parts: Services,
    session: Session,
    row: JobRow,
    gate: r.GateReport | None,
    model: r.ModelVersion | None,
    error: str,
) -> None:
    """The end of a job: verdict and model, or an error; told to the webhooks."""
    now = parts.clock()
    if model is not None:
        row.model_id = register(session, row, model, now)
    if gate is not None:
        row.gate = r.encode(gate)
    verdict = {"promote": "promoted", "reject": "rejected"}
    move(row, verdict[gate.verdict] if gate is not None and not error else "failed", now)
    row.error, row.lease_expires_at = error, None
    row.message = gate.summary if gate is not None else row.message
    project = session.get_one(ProjectRow, row.project_id)
    outbox.enqueue(
        parts, session, project, "job.finished", payload(row, project.name), row.incident_id
    )


def register(session: Session, row: JobRow, model: r.ModelVersion, now: datetime) -> str:
    """Enter an adapter into the registry, once a job."""
    known = session.scalars(select(ModelRow).where(ModelRow.job_id == row.id)).first()
    if known is not None:
        return known.id
    newest = session.scalar(
        select(func.max(ModelRow.version)).where(
            ModelRow.project_id == row.project_id, ModelRow.name == model.name
        )
    )
    fields = {
        name: getattr(model, name)
        for name in ("name", "kind", "base", "base_sha256", "sha256", "uri", "verdict", "manifest")
    }
    entry = ModelRow(
        id=new_id("mod"),
        project_id=row.project_id,
        job_id=row.id,
        version=max(model.version, (newest or 0) + 1),
        created_at=now,
        **fields,
    )
    session.add(entry)
    session.flush()
    return entry.id


def revive(session: Session, now: datetime, seconds: float) -> None:
    """Extend all running jobs' leases to `seconds` from now: nobody could renew them."""
    until = now + timedelta(seconds=seconds)
    stale = update(JobRow).where(JobRow.state.in_(RUNNING), JobRow.lease_expires_at < until)
    session.execute(stale.values(lease_expires_at=until))


def expire(parts: Services, session: Session) -> int:
    """Queue jobs whose executor vanished again, or give them up; returns how many."""
    now = parts.clock()
    query = select(JobRow).where(JobRow.state.in_(RUNNING), JobRow.lease_expires_at <= now)
    rows = list(session.scalars(query.with_for_update()))
    for row in rows:
        if row.attempts >= MAX_ATTEMPTS:
            error = f"gave up after {row.attempts} attempts: the executor {row.executor} vanished"
            finish(parts, session, row, None, None, error)
        else:
            move(row, "queued", now)
            row.message = f"the executor {row.executor} vanished; waiting for another"
    return len(rows)


def payload(row: JobRow, project_name: str) -> dict[str, Any]:
    """What a webhook is told of a finished job."""
    return {
        "id": row.id,
        "project": project_name,
        "state": row.state,
        "summary": row.message,
        "error": row.error,
        "incident_id": row.incident_id,
        "model_id": row.model_id,
        "dashboard_path": f"/finetuning?job={row.id}",
    }


def record(row: JobRow, losses: Sequence[LossRow] = ()) -> r.Job:
    """The job as the API shows it."""
    return r.Job(
        id=row.id,
        project=row.project_id,
        incident_id=row.incident_id,
        state=row.state,  # type: ignore[arg-type]  # the column holds nothing else
        spec=r.decode_record(r.JobSpec, row.spec),
        created_at=rfc3339(row.created_at),
        updated_at=rfc3339(row.updated_at),
        executor=row.executor,
        attempts=row.attempts,
        message=row.message,
        error=row.error,
        dataset=r.decode_record(r.DatasetReport, row.dataset) if row.dataset else None,
        gate=r.decode_record(r.GateReport, row.gate) if row.gate else None,
        model_id=row.model_id,
        losses=[_point(loss) for loss in losses],
    )


def _point(row: LossRow) -> r.LossPoint:
    return r.LossPoint(
        phase=row.phase,  # type: ignore[arg-type]  # the columns hold nothing else
        split=row.split,  # type: ignore[arg-type]
        step=row.step,
        loss=row.loss,
        learning_rate=row.learning_rate,
        seconds=row.seconds,
    )
