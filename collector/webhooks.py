"""The endpoints that hear of incidents and jobs."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy import select

from driftline.sdk import records as r

from . import signing, ssrf
from .auth import Caller, require
from .clock import rfc3339
from .ids import new_id
from .problem import Problem, not_found
from .services import Parts
from .tables import WebhookRow

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])
Reader = Annotated[Caller, Depends(require("read"))]
Admin = Annotated[Caller, Depends(require("admin"))]
EventName = Literal["*", "incident.opened", "incident.updated", "incident.resolved", "job.finished"]
MAX_WEBHOOKS = 50


class NewWebhook(BaseModel):
    url: str = Field(min_length=8, max_length=2000)
    events: list[EventName] = Field(default=["*"], min_length=1)


@router.post("")
def create_webhook(body: NewWebhook, caller: Admin, parts: Parts) -> r.Webhook:
    """Add an endpoint; the answer is the only time its secret is shown."""
    try:
        ssrf.check_url(body.url, parts.settings.webhook_allow)
    except ssrf.Forbidden as error:
        raise Problem(422, "forbidden_target", str(error), field="url") from None
    secret = signing.new_secret()
    with parts.control.session() as session:
        query = select(WebhookRow).where(WebhookRow.project_id == caller.project)
        if len(session.scalars(query).all()) >= MAX_WEBHOOKS:
            raise Problem(409, "too_many", f"a project has at most {MAX_WEBHOOKS} webhooks")
        row = WebhookRow(
            id=new_id("whk"),
            project_id=caller.project,
            url=body.url,
            events=list(body.events),
            secret=signing.Vault(parts.settings.home).lock(secret),
            enabled=True,
            created_at=parts.clock(),
        )
        session.add(row)
        return _record(row, secret)


@router.get("")
def list_webhooks(caller: Reader, parts: Parts) -> dict[str, list[r.Webhook]]:
    with parts.control.reading() as session:
        query = select(WebhookRow).where(WebhookRow.project_id == caller.project)
        rows = session.scalars(query.order_by(WebhookRow.created_at))
        return {"webhooks": [_record(row) for row in rows]}


@router.delete("/{webhook_id}", status_code=204)
def delete_webhook(webhook_id: str, caller: Admin, parts: Parts) -> None:
    """Remove an endpoint; what still waits for it is not sent."""
    with parts.control.session() as session:
        row = session.get(WebhookRow, webhook_id)
        if row is None or row.project_id != caller.project:
            raise not_found("webhook", webhook_id)
        session.delete(row)


def _record(row: WebhookRow, secret: str = "") -> r.Webhook:
    return r.Webhook(
        row.id, row.project_id, row.url, row.events, row.enabled, rfc3339(row.created_at), secret
    )
