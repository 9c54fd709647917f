"""`GET /v1/metrics`: what the workers can compute; `PUT`: a worker says so when it starts.

What a worker with a key for all projects says holds for all of them; what one with a project's own
key says (metrics of its own, perhaps) is seen in that project only, in place of the former.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from driftline.sdk import records as r
from driftline.sdk.choice import is_on, unknown

from .auth import Caller, require
from .control import Control
from .problem import Problem
from .reads import Reader
from .services import Parts
from .tables import CardRow

router = APIRouter(tags=["metrics"])
Worker = Annotated[Caller, Depends(require("work", project=False))]
Number = Annotated[float, Field(allow_inf_nan=False)]
Line = Annotated[str, Field(min_length=1, max_length=200)]
Words = Annotated[str, Field(min_length=1, max_length=2000)]
CACHE_SECONDS = 5.0  # what another collector was told is seen within this time
MAX_CARDS = 1000
EVERY_PROJECT = ""


class CardBody(BaseModel):
    """`driftline.sdk.records.MetricCard`, with its bounds; `on` is for the reader."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(pattern="^[a-z][a-z0-9_]{0,99}$")
    title: Line
    group: Line
    package: Line
    formula: Words
    source: Words
    needs: Line
    low: Number | None
    high: Number | None
    unit: Line
    lies: Words
    cost: Line
    version: Line
    default: bool


class Announcement(BaseModel):
    metrics: list[CardBody] = Field(min_length=1, max_length=MAX_CARDS)


class Cards:
    """The cards by project id, remembered for a few seconds."""

    def __init__(self, control: Control, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._control = control
        self._monotonic = monotonic
        self._known: dict[str, tuple[float, dict[str, r.MetricCard]]] = {}

    def of(self, project: str) -> dict[str, r.MetricCard]:
        """The cards that hold in the project of that id, by name, in the order of the worker."""
        known = self._known.get(project)
        if known is not None and known[0] > self._monotonic():
            return known[1]
        with self._control.reading() as session:
            rows = _stored(session, project) or _stored(session, EVERY_PROJECT)
            found = {row.name: r.decode_record(r.MetricCard, row.card) for row in rows}
        self._known[project] = (self._monotonic() + CACHE_SECONDS, found)
        return found

    def versions(self, project: str) -> dict[str, str]:
        """Metric name to the version whose values are read."""
        return {name: card.version for name, card in self.of(project).items()}

    def say(self, project: str, cards: Sequence[CardBody]) -> None:
        """Replace the cards of a project, or of all of them (`EVERY_PROJECT`)."""
        with self._control.session() as session:
            session.execute(delete(CardRow).where(CardRow.project_id == project))
            session.add_all(
                CardRow(project_id=project, name=card.name, position=at, card=card.model_dump())
                for at, card in enumerate(cards)
            )
        self._known.clear()


def _stored(session: Session, project: str) -> Sequence[CardRow]:
    query = select(CardRow).where(CardRow.project_id == project).order_by(CardRow.position)
    return session.scalars(query).all()


@router.get("/v1/metrics")
def list_metrics(caller: Reader, parts: Parts) -> dict[str, list[r.MetricCard]]:
    """The cards of all metrics that the workers can compute; `on` is of this project."""
    settings = parts.policies.of(caller.project)
    found = [_seen(card, settings) for card in parts.cards.of(caller.project).values()]
    return {"metrics": found}


@router.put("/v1/metrics", status_code=204)
def announce(body: Announcement, caller: Worker, parts: Parts) -> None:
    """What a worker can compute, in place of what the last one said."""
    seen: set[str] = set()
    for at, card in enumerate(body.metrics):
        if card.name in seen:
            message = f"two metrics have the name {card.name!r}"
            raise Problem(422, "invalid_field", message, field=f"metrics.{at}.name")
        seen.add(card.name)
    parts.cards.say(caller.project, body.metrics)


def _seen(card: r.MetricCard, settings: r.ProjectSettings) -> r.MetricCard:
    on = is_on(card.name, card.default, settings.metrics_on, settings.metrics_off)
    return r.MetricCard(**{**r.encode(card), "on": on})


def check_choice(
    cards: dict[str, r.MetricCard], before: r.ProjectSettings, on: list[str], off: list[str]
) -> None:
    """Raise Problem 422 for a name that no metric has, or that is both on and off.

    What was chosen before may stay: its worker may be gone for a while.
    """
    old = {*before.metrics_on, *before.metrics_off}
    for field, names in (("metrics_on", on), ("metrics_off", off)):
        for name in names:
            if name in cards or name in old:
                continue
            words = unknown(name, cards) if cards else NOBODY_SAID
            raise Problem(422, "invalid_field", words, field=field)
    both = sorted(set(on) & set(off))
    if both:
        words = f"{both[0][:100]!r} is in metrics_on and in metrics_off"
        raise Problem(422, "invalid_field", words, field="metrics_off")


NOBODY_SAID = "no worker has said yet which metrics there are: start one, then choose"
