"""`/healthz`, `/readyz` and `/metrics`: for supervisors and Prometheus, without a key."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from .errors import StoreError
from .migrate import pending_changes
from .problem import busy
from .services import Parts, Services

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process lives."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(parts: Parts) -> dict[str, str]:
    """Both databases answer and their migrations are done; else 503 saying which does not."""
    trouble = _trouble(parts)
    if trouble:
        raise busy(trouble)
    return {"status": "ready"}


def _trouble(parts: Services) -> str:
    try:
        missing = pending_changes(parts.clickhouse)
    except StoreError as error:
        return f"ClickHouse: {error}"
    if missing:
        return f"ClickHouse lacks {missing[0].name}: run `driftline migrate`"
    try:
        revision = parts.control.behind()
    except StoreError as error:
        return str(error)
    return f"the control database lacks {revision}: run `driftline migrate`" if revision else ""


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(parts: Parts) -> Response:
    """Prometheus text."""
    return Response(generate_latest(parts.meters.registry), media_type=CONTENT_TYPE_LATEST)
