"""What a request handler may use, made once by `app.create_app` and found on the app's state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Request

from .body import Budget
from .clickhouse import ClickHouse
from .clock import Clock
from .commit import Committer
from .limits import Limits
from .meters import Meters
from .rollup import Rollup
from .settings import Settings

if TYPE_CHECKING:
    from .cards import Cards
    from .control import Control
    from .otlp_scope import Scope
    from .policies import Policies
    from .tombstones import Tombstones


@dataclass(frozen=True, slots=True)
class Services:
    """The collector's parts: settings, clock, both stores, and the way of an event into them."""

    settings: Settings
    clock: Clock
    clickhouse: ClickHouse
    control: Control
    committer: Committer
    rollup: Rollup
    meters: Meters
    bodies: Budget
    policies: Policies
    cards: Cards
    scope: Scope
    limits: Limits
    tombstones: Tombstones


def services(request: Request) -> Services:
    """The services of the app that answers `request` (a FastAPI dependency)."""
    return cast(Services, request.app.state.services)


Parts = Annotated[Services, Depends(services)]
