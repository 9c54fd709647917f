"""The outbox: notifications written with the transition they tell of, sent until they arrive.

Exactly-once in intent, at least once on the wire: `webhook-id` stays the same over retries, so a
receiver can drop a
repetition. Schedule, headers and the meaning of answers follow Standard Webhooks 1.0.0.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import orjson
import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from driftline.sdk import records as r

from . import signing, ssrf
from .clock import rfc3339
from .errors import ConfigError
from .ids import new_id
from .services import Services
from .tables import DeliveryRow, ProjectRow, WebhookRow

MINUTE, HOUR = 60.0, 3600.0
# Waits before attempts 2, 3, …; after the last one the delivery is dead.
SCHEDULE_SECONDS = (5.0, 5 * MINUTE, 30 * MINUTE, *(h * HOUR for h in (2, 5, 10, 14, 20, 24)))
MAX_RETRY_AFTER_SECONDS = 24 * HOUR
TIMEOUT_SECONDS = 15.0
MAX_ANSWER_BYTES = 64 * 1024
BATCH = 20
GONE = 410
log = structlog.get_logger(__name__)


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


def send_due(parts: Services, client: httpx.Client, resolve: ssrf.Resolve = ssrf.resolve) -> int:
    """Send what is due, one attempt each; returns how many attempts were made."""
    due = _due(parts)
    for delivery, webhook in due:
        answer = _attempt(parts, client, delivery, webhook, resolve)
        with parts.control.session() as session:
            row = session.get_one(DeliveryRow, delivery.id)
            _note(session, row, answer, parts.clock())
        log.info(
            "webhook attempt", delivery=delivery.id, status=answer.status, attempt=row.attempts
        )
    return len(due)


def _due(parts: Services) -> list[tuple[DeliveryRow, WebhookRow | None]]:
    with parts.control.reading() as session:
        query = (
            select(DeliveryRow)
            .where(DeliveryRow.state == "pending", DeliveryRow.next_attempt_at <= parts.clock())
            .order_by(DeliveryRow.next_attempt_at)
            .limit(BATCH)
        )
        return [(row, session.get(WebhookRow, row.webhook_id)) for row in session.scalars(query)]


def _attempt(
    parts: Services,
    client: httpx.Client,
    delivery: DeliveryRow,
    webhook: WebhookRow | None,
    resolve: ssrf.Resolve,
) -> Answer:
    if webhook is None or not webhook.enabled:
        return Answer(None, "the endpoint was removed or disabled", final=True)
    try:
        target = ssrf.check_target(webhook.url, parts.settings.webhook_allow, resolve)
        secret = signing.Vault(parts.settings.home).unlock(webhook.secret)
        return _post(client, target, webhook.url, _headers(parts, secret, delivery), delivery.body)
    except (ssrf.Forbidden, ConfigError) as error:
        return Answer(None, str(error))
    except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
        return Answer(None, f"{type(error).__name__}: {error}")


def _headers(parts: Services, secret: str, delivery: DeliveryRow) -> dict[str, str]:
    timestamp = int(parts.clock().timestamp())
    return {
        "content-type": "application/json",
        "user-agent": "driftline-webhooks",
        "webhook-id": delivery.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signing.sign(secret, delivery.id, timestamp, delivery.body),
    }


def _post(
    client: httpx.Client, target: ssrf.Target, url: str, headers: dict[str, str], body: str
) -> Answer:
    """POST to the checked address under the original name."""
    original = httpx.URL(url)
    pinned = original.copy_with(host=target.address, port=target.port)
    headers = {**headers, "host": original.netloc.decode("ascii")}
    extensions = {"sni_hostname": target.host}
    request = client.build_request(
        "POST", pinned, headers=headers, content=body.encode(), extensions=extensions
    )
    response = client.send(request, stream=True)
    try:
        seen = 0
        for chunk in response.iter_raw():
            seen += len(chunk)
            if seen > MAX_ANSWER_BYTES:
                break
    finally:
        response.close()
    if response.is_success:
        return Answer(response.status_code, "")
    retry_after = response.headers.get("retry-after", "")
    seconds = float(retry_after) if retry_after.isdigit() else 0.0
    error = f"HTTP {response.status_code}"
    return Answer(response.status_code, error, seconds, final=response.status_code == GONE)


def client(transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """How webhooks are sent: no redirects, no proxies from the environment, bounded in time."""
    return httpx.Client(
        timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False, transport=transport
    )


def _note(session: Session, row: DeliveryRow, answer: Answer, now: datetime) -> None:
    """Write down one attempt, and when the next one is."""
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
