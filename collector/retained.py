"""`GET /v1/retention`: what is stored by week; `POST /v1/retention/run`: drop what is over now."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from driftline.sdk import records as r

from . import retention
from .auth import Caller, require
from .reads import Reader
from .services import Parts

router = APIRouter(tags=["retention"])
Admin = Annotated[Caller, Depends(require("admin"))]


@router.get("/v1/retention")
def show(caller: Reader, parts: Parts) -> r.Retention:
    """The stored weeks of the project, and what becomes of each."""
    return retention.report(parts.clickhouse, parts.control, caller.project, parts.clock())


@router.post("/v1/retention/run")
def run(caller: Admin, parts: Parts) -> dict[str, list[str]]:
    """Drop the weeks that are over now; the collector does so every ten minutes by itself."""
    dropped = retention.run(parts, caller.project)
    return {"dropped": [str(week) for week in dropped]}
