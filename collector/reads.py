"""`GET /v1/events` and what hangs on one event. Lists read no bodies."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from driftline.sdk import records as r

from .auth import Caller, require
from .eventstore import EventStore, Listing
from .problem import Problem, not_found
from .scored import ScoreRange
from .services import Parts
from .window import Limit, Within, cursor_id
from .wire import UUID7

MAX_BODIES = 500
router = APIRouter(tags=["events"])
Reader = Annotated[Caller, Depends(require("read"))]


def json_answer(value: object) -> Response:
    """Records as the JSON answer; they are typed already, so nothing validates them again."""
    return Response(orjson.dumps(value), media_type="application/json")


def _store(caller: Reader, parts: Parts) -> EventStore:
    return EventStore(parts.clickhouse, caller.project)


Store = Annotated[EventStore, Depends(_store)]


class Equal(BaseModel):
    """Filters of a list: absent or equal."""

    kind: str = ""
    model: str = ""
    environment: str = ""
    status: str = ""
    session_id: str = ""
    user_id: str = ""


Bound = Annotated[float | None, Query(allow_inf_nan=False)]


def _score_range(
    score: str = "", score_min: Bound = None, score_max: Bound = None
) -> ScoreRange | None:
    """The filter on a score: a name and its bounds, which are inside."""
    if score and score_min is not None and score_max is not None and score_min > score_max:
        words = "score_min must not be above score_max"
        raise Problem(422, "invalid_field", words, field="score_min")
    if score:
        return ScoreRange(score, score_min, score_max)
    if score_min is not None or score_max is not None:
        words = "score_min and score_max need score, the name of the score that they bound"
        raise Problem(422, "invalid_field", words, field="score")
    return None


class Ids(BaseModel):
    """Which events to read."""

    ids: list[str] = Field(max_length=MAX_BODIES)


@router.get("/v1/events", response_model=r.Page)
def events(
    store: Store,
    window: Within,
    equal: Annotated[Equal, Depends()],
    score: Annotated[ScoreRange | None, Depends(_score_range)],
    cursor: str = "",
    limit: Limit = 100,
    order: Annotated[Literal["newest", "oldest"], Query()] = "newest",
) -> Response:
    """A page of events without bodies, by the time inside the id."""
    after = cursor_id(cursor) if cursor else None
    listing = Listing(window, limit, order == "newest", after, equal.model_dump(), score)
    return json_answer(store.page(listing))


@router.get("/v1/events/{event_id}", response_model=r.Event)
def event(event_id: str, store: Store) -> Response:
    """One event with its bodies."""
    found = store.whole([_known_form(event_id)])
    if not found:
        raise not_found("event", event_id)
    return json_answer(found[0])


@router.get("/v1/events/{event_id}/scores")
def scores(event_id: str, store: Store) -> Response:
    """All scores of one event, the latest of each name, source and version."""
    return json_answer({"scores": store.scores([_known_form(event_id)])})


@router.post("/v1/events/bodies")
def bodies(ids: Ids, store: Store) -> Response:
    """Full events in the order asked; unknown ids are left out."""
    wanted = [UUID(text) for text in ids.ids if UUID7.fullmatch(text)]
    return json_answer({"events": store.whole(wanted)})


@router.post("/v1/events/scores")
def scores_of(ids: Ids, store: Store) -> Response:
    """All scores of several events, by event and name, as `GET /v1/events/{id}/scores` gives."""
    wanted = [UUID(text) for text in ids.ids if UUID7.fullmatch(text)]
    return json_answer({"scores": store.scores(wanted)})


def _known_form(event_id: str) -> UUID:
    """The id, when it could be one. Raises Problem 404."""
    if not UUID7.fullmatch(event_id):
        raise not_found("event", event_id)
    return UUID(event_id)
