"""The outbox: notifications written with the transition they tell of, sent until they arrive.

A transition and its notifications are one transaction: neither exists without the other. On the
wire it is at least once: a collector that dies between the receiver's answer and `note` sends again
when its claim has run out. `webhook-id` stays the same, so a receiver can drop repetitions.
Schedule and the meaning of answers follow Standard Webhooks 1.0.0; `sender.py` does the sending.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from driftline.sdk import records as r

from .clock import rfc3339
from .ids import new_id
from .services import Services
from .tables import DeliveryRow, ProjectRow, WebhookRow

MINUTE, HOUR = 60.0, 3600.0
# Waits before attempts 2, 3, …; after the last one the delivery is dead.
SCHEDULE_SECONDS = (5.0, 5 * MINUTE, 30 * MINUTE, *(h * HOUR for h in (2, 5, 10, 14, 20, 24)))
MAX_RETRY_AFTER_SECONDS = 24 * HOUR
CLAIM_SECONDS = 60.0  # longer than a round of sending takes
BATCH = 20
GONE = 410


@dataclass(frozen=True, slots=True)
class Sending:
    """One notification to send; `url` is "" when its endpoint is gone. `secret` is encrypted."""

    id: str
    url: str
    secret: str
    body: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said: an HTTP status, or None with the error that prevented one."""

    status: int | None
    error: str
    retry_after_seconds: float = 0.0
    final: bool = False


def enqueue(
    parts: Services,
    session: Session,
    project: ProjectRow,
    kind: str,
    data: dict[str, Any],
    incident_id: str,
) -> None:
    """Write one notification for each endpoint that wants it, in the caller's transaction."""
    now = parts.clock()
    body = orjson.dumps({"type": kind, "timestamp": rfc3339(now), "data": data}).decode()
    query = select(WebhookRow).where(WebhookRow.project_id == project.id, WebhookRow.enabled)
    for webhook in session.scalars(query):
        if "*" in webhook.events or kind in webhook.events:
            session.add(_delivery(project.id, webhook.id, incident_id, kind, body, now))


def _delivery(
    project: str, webhook_id: str, incident_id: str, kind: str, body: str, now: datetime
) -> DeliveryRow:
    return DeliveryRow(
        id=new_id("msg"),
        project_id=project,
        webhook_id=webhook_id,
        incident_id=incident_id,
        type=kind,
        body=body,
        state="pending",
        attempts=0,
        next_attempt_at=now,
        last_status=None,
        last_error="",
        delivered_at=None,
        created_at=now,
    )


def claim_due(session: Session, now: datetime) -> list[Sending]:
    """What is due, put off for CLAIM_SECONDS so that nobody else sends it meanwhile."""
    query = (
        select(DeliveryRow)
        .where(DeliveryRow.state == "pending", DeliveryRow.next_attempt_at <= now)
        .order_by(DeliveryRow.next_attempt_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    rows = list(session.scalars(query))
    for row in rows:
        row.next_attempt_at = now + timedelta(seconds=CLAIM_SECONDS)
    return [_sending(row, session.get(WebhookRow, row.webhook_id)) for row in rows]


def _sending(row: DeliveryRow, webhook: WebhookRow | None) -> Sending:
    usable = webhook is not None and webhook.enabled
    url, secret = (webhook.url, webhook.secret) if webhook is not None and usable else ("", "")
    return Sending(row.id, url, secret, row.body)


def note(session: Session, delivery_id: str, answer: Answer, now: datetime) -> None:
    """Write down one attempt, and when the next one is."""
    row = session.get_one(DeliveryRow, delivery_id, with_for_update=True)
    if row.state != "pending":
        return
    row.attempts += 1
    row.last_status, row.last_error = answer.status, answer.error[:500]
    if not answer.error:
        row.state, row.delivered_at = "delivered", now
        return
    wait = next_wait(row.attempts, answer.retry_after_seconds)
    if answer.final or wait is None:
        row.state = "dead"
        webhook = session.get(WebhookRow, row.webhook_id)
        if answer.status == GONE and webhook is not None:
            webhook.enabled = False
        return
    row.next_attempt_at = now + timedelta(seconds=wait)


def next_wait(
    attempts: int,
    retry_after_seconds: float = 0.0,
    uniform: Callable[[float, float], float] = random.uniform,
) -> float | None:
    """Seconds until the next attempt after `attempts` failed ones; None when that was the last
    (pure).
    """
    if attempts > len(SCHEDULE_SECONDS):
        return None
    planned = SCHEDULE_SECONDS[attempts - 1] * uniform(0.9, 1.1)
    return max(planned, min(retry_after_seconds, MAX_RETRY_AFTER_SECONDS))


def record(session: Session, row: DeliveryRow) -> r.Delivery:
    """The delivery as the API shows it."""
    webhook = session.get(WebhookRow, row.webhook_id)
    return r.Delivery(
        id=row.id,
        endpoint_id=row.webhook_id,
        url=webhook.url if webhook else "(removed)",
        type=row.type,
        state=row.state,  # type: ignore[arg-type]  # the column holds nothing else
        attempts=row.attempts,
        last_status=row.last_status,
        last_error=row.last_error,
        next_attempt_at=rfc3339(row.next_attempt_at) if row.state == "pending" else "",
        delivered_at=rfc3339(row.delivered_at) if row.delivered_at else "",
    )
