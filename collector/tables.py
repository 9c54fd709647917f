"""The control database's tables. Ids are text with a prefix that says what they name; times are
aware UTC datetimes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, ForeignKey, Index, MetaData, String, Text, TypeDecorator
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Utc(TypeDecorator[datetime]):
    """A time in UTC: aware in Python, on SQLite too (which keeps no zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Table(DeclarativeBase):
    """What all tables share."""

    metadata = MetaData(naming_convention=CONVENTION)
    type_annotation_map = {datetime: Utc, dict[str, Any]: JSON, list[str]: JSON}  # noqa: RUF012


class ProjectRow(Table):
    __tablename__ = "projects"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    created_at: Mapped[datetime]
    monitor: Mapped[dict[str, Any]]
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    reference_id: Mapped[str] = mapped_column(String(40), default="")
    scored_through: Mapped[datetime | None]  # every event ingested before it is scored
    turns: Mapped[int] = mapped_column(default=0)  # leases of events given, for `turns.order`


class KeyRow(Table):
    """`digest` is the SHA-256 of the whole key; `project_id` "" is a service key."""

    __tablename__ = "api_keys"
    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    project_id: Mapped[str] = mapped_column(String(40), index=True)
    scope: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(String(200))
    digest: Mapped[str] = mapped_column(String(64))
    last4: Mapped[str] = mapped_column(String(4))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class LeaseRow(Table):
    """Work that a worker holds until `expires_at`. `state`: active, done, expired, released.

    `lane` is that of `turns`, "" for a drift window.
    """

    __tablename__ = "leases"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    kind: Mapped[str] = mapped_column(String(10))
    worker: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(10))
    event_ids: Mapped[list[str]]
    window_id: Mapped[str] = mapped_column(String(40))
    lane: Mapped[str] = mapped_column(String(10), default="")
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    __table_args__ = (Index(None, "project_id", "state"), Index(None, "state", "expires_at"))


class WorkerRow(Table):
    """What a metric worker last said of itself; `project_id` "" serves all projects."""

    __tablename__ = "workers"
    project_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    seen_at: Mapped[datetime]
    report: Mapped[dict[str, Any]]


class AttemptRow(Table):
    """How often scoring an event failed or took its worker down."""

    __tablename__ = "attempts"
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    event_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    count: Mapped[int]
    error: Mapped[str] = mapped_column(Text)


class ReferenceRow(Table):
    """The events that windows are compared with."""

    __tablename__ = "drift_references"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    start: Mapped[str] = mapped_column(String(40))
    end: Mapped[str] = mapped_column(String(40))
    event_ids: Mapped[list[str]]
    after: Mapped[str] = mapped_column(String(36))  # windows begin behind this event
    created_at: Mapped[datetime]


class WindowRow(Table):
    """One window to be tested, or tested. `state`: pending, leased, done.

    `attempts` counts workers that failed at it or vanished with it; `error` is what the last said.
    """

    __tablename__ = "drift_windows"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    reference_id: Mapped[str] = mapped_column(ForeignKey("drift_references.id"))
    index: Mapped[int]
    state: Mapped[str] = mapped_column(String(10))
    start: Mapped[str] = mapped_column(String(40))
    end: Mapped[str] = mapped_column(String(40))
    event_ids: Mapped[list[str]]
    alpha: Mapped[float]
    permutations: Mapped[int]
    seed: Mapped[int]
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(Text, default="")
    decision: Mapped[str] = mapped_column(String(20))
    incident_id: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    __table_args__ = (Index(None, "project_id", "reference_id", "index", unique=True),)


class IncidentRow(Table):
    __tablename__ = "incidents"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    state: Mapped[str] = mapped_column(String(15))
    severity: Mapped[str] = mapped_column(String(10))
    title: Mapped[str] = mapped_column(String(300))
    summary: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str] = mapped_column(String(200))
    window_ids: Mapped[list[str]]
    signals: Mapped[list[Any]] = mapped_column(JSON)
    examples: Mapped[list[str]]
    traces: Mapped[list[str]]  # the traces of the examples
    calm_windows: Mapped[int]
    job_id: Mapped[str] = mapped_column(String(40))
    __table_args__ = (Index(None, "project_id", "state"),)


class WebhookRow(Table):
    """`secret` is encrypted (Fernet)."""

    __tablename__ = "webhooks"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    url: Mapped[str] = mapped_column(String(2000))
    events: Mapped[list[str]]
    secret: Mapped[str] = mapped_column(Text)
    enabled: Mapped[bool]
    created_at: Mapped[datetime]


class DeliveryRow(Table):
    """The outbox: written with the transition it tells of. `state`: pending, delivered, dead."""

    __tablename__ = "deliveries"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    webhook_id: Mapped[str] = mapped_column(String(40))
    incident_id: Mapped[str] = mapped_column(String(40), index=True)
    type: Mapped[str] = mapped_column(String(40))
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(10))
    attempts: Mapped[int]
    next_attempt_at: Mapped[datetime]
    last_status: Mapped[int | None]
    last_error: Mapped[str] = mapped_column(String(500))
    delivered_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    __table_args__ = (Index(None, "state", "next_attempt_at"),)


class JobRow(Table):
    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    incident_id: Mapped[str] = mapped_column(String(40))
    idempotency_key: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(20))
    spec: Mapped[dict[str, Any]]
    executor: Mapped[str] = mapped_column(String(200))
    attempts: Mapped[int]
    message: Mapped[str] = mapped_column(Text)
    error: Mapped[str] = mapped_column(Text)
    dataset: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    gate: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    model_id: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    lease_expires_at: Mapped[datetime | None]
    __table_args__ = (Index(None, "project_id", "idempotency_key", unique=True),)


class LossRow(Table):
    """One point of a job's loss curve."""

    __tablename__ = "job_losses"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    phase: Mapped[str] = mapped_column(String(10), primary_key=True)
    split: Mapped[str] = mapped_column(String(10), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    loss: Mapped[float]
    learning_rate: Mapped[float]
    seconds: Mapped[float]


class ModelRow(Table):
    __tablename__ = "models"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    job_id: Mapped[str] = mapped_column(String(40), index=True)
    name: Mapped[str] = mapped_column(String(200))
    version: Mapped[int]
    kind: Mapped[str] = mapped_column(String(20))
    base: Mapped[str] = mapped_column(String(500))
    base_sha256: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64))
    uri: Mapped[str] = mapped_column(String(2000))
    verdict: Mapped[str] = mapped_column(String(10))
    manifest: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    __table_args__ = (Index(None, "project_id", "name", "version", unique=True),)


class DutyRow(Table):
    """Which collector does the periodic work, and until when."""

    __tablename__ = "duties"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(80))
    expires_at: Mapped[datetime]


class TombstoneRow(Table):
    """The hash of a deleted user, trace or event: what is of `until` or before is not taken in."""

    __tablename__ = "tombstones"
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    until: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class DeletionRow(Table):
    """The audit of one privacy request: who asked, when, how much went; not whose or what."""

    __tablename__ = "deletions"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    digest: Mapped[str] = mapped_column(String(64))
    key_id: Mapped[str] = mapped_column(String(16))
    asked_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    weeks: Mapped[list[str]]
    events: Mapped[int]
    scores: Mapped[int]
    embeddings: Mapped[int]
    __table_args__ = (Index(None, "project_id", "digest"),)


class CardRow(Table):
    """A metric that workers can compute; `project_id` "" is what holds for every project."""

    __tablename__ = "metric_cards"
    project_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    position: Mapped[int]
    card: Mapped[dict[str, Any]]
