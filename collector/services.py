"""What a request handler may use, made once by `app.create_app` and found on the app's state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Request

from .clickhouse import ClickHouse
from .clock import Clock
from .settings import Settings

if TYPE_CHECKING:
    from .control import Control


@dataclass(frozen=True, slots=True)
class Services:
    """The collector's parts: both stores, the settings and the clock."""

    settings: Settings
    clickhouse: ClickHouse
    control: Control
    clock: Clock


def services(request: Request) -> Services:
    """The services of the app that answers `request` (a FastAPI dependency)."""
    return cast(Services, request.app.state.services)


Parts = Annotated[Services, Depends(services)]
