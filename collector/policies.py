"""A project's settings: over HTTP, and for the ingest path, which must not ask per request."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from driftline.sdk import records as r

from .auth import Caller, require
from .cards import check_choice
from .control import Control
from .redaction import check_settings
from .services import Parts
from .tables import ProjectRow

router = APIRouter(tags=["projects"])
Reader = Annotated[Caller, Depends(require("read"))]
Admin = Annotated[Caller, Depends(require("admin"))]
MetricName = Annotated[str, Field(min_length=1, max_length=100)]
Dollars = Annotated[float, Field(ge=0, le=1e6)]

CACHE_SECONDS = 5.0  # another collector's change is seen within this time


class PriceBody(BaseModel):
    """`driftline.sdk.records.Price`, with its bounds."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(min_length=1, max_length=200)
    input: Dollars
    output: Dollars
    provider: str = Field("", max_length=200)
    input_cached: Dollars | None = None


class SettingsBody(BaseModel):
    """`driftline.sdk.records.ProjectSettings`, with its bounds."""

    model_config = ConfigDict(extra="forbid")

    retention_days: int = Field(0, ge=0, le=3650)
    redact: list[str] = Field(default_factory=list, max_length=20)
    redact_patterns: list[Annotated[str, Field(min_length=1, max_length=500)]] = Field(
        default_factory=list, max_length=50
    )
    events_per_second: int = Field(0, ge=0, le=10_000_000)
    bytes_per_second: int = Field(0, ge=0, le=2**40)
    llm_scope: bool = True
    prices: list[PriceBody] = Field(default_factory=list, max_length=500)
    metrics_on: list[MetricName] = Field(default_factory=list, max_length=1000)
    metrics_off: list[MetricName] = Field(default_factory=list, max_length=1000)


class Policies:
    """Settings by project id, remembered for a few seconds."""

    def __init__(self, control: Control, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._control = control
        self._monotonic = monotonic
        self._known: dict[str, tuple[float, r.ProjectSettings]] = {}

    def of(self, project: str) -> r.ProjectSettings:
        """The settings of the project of that id; the defaults when there is none."""
        known = self._known.get(project)
        if known is not None and known[0] > self._monotonic():
            return known[1]
        with self._control.reading() as session:
            row = session.get(ProjectRow, project)
            found = r.decode_record(r.ProjectSettings, row.settings if row else {})
        self._known[project] = (self._monotonic() + CACHE_SECONDS, found)
        return found

    def forget(self, project: str) -> None:
        """They were changed here."""
        self._known.pop(project, None)


@router.get("/v1/settings")
def get_settings(caller: Reader, parts: Parts) -> r.ProjectSettings:
    return parts.policies.of(caller.project)


@router.put("/v1/settings")
def set_settings(body: SettingsBody, caller: Admin, parts: Parts) -> r.ProjectSettings:
    """Replace the project's settings."""
    check_settings(body.redact, body.redact_patterns)
    known = parts.cards.of(caller.project)
    with parts.control.session() as session:
        row = session.get_one(ProjectRow, caller.project, with_for_update=True)
        before = r.decode_record(r.ProjectSettings, row.settings)
        check_choice(known, before, body.metrics_on, body.metrics_off)
        row.settings = body.model_dump()
    parts.policies.forget(caller.project)
    return parts.policies.of(caller.project)
