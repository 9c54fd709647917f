"""Traces: spans that share a `trace_id`, as one line of a list or whole, to read."""

from __future__ import annotations

import base64
import binascii
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from driftline.sdk import records as r

from . import aggregate
from .bodies import by_id
from .clickhouse import ClickHouse
from .clock import rfc3339
from .event import EPOCH
from .eventstore import SCORE_IDS
from .marks import MARKER
from .problem import Problem, not_found
from .reach import WITHIN, reach
from .reads import Reader, Store, json_answer
from .services import Parts
from .spans import START, Spans
from .window import LAST, MILLISECOND, Limit, Window, Within, cursor_id, given_id

SCORED_SPANS = 50  # of each trace of a list
router = APIRouter(tags=["traces"])

# The root has no parent; for a trace without one, its first span speaks.
ROOT = "tuple(parent_id != '', id_time, id)"
# A page never groups the whole window: only the traces with a span in its newest part, [since, at].
# Whatever begins there has its first span there; `first >= since` leaves out what began before.
LIST = f"""
SELECT trace_id, min(id_time) AS first, argMin(name, {ROOT}) AS name,
       min(started) AS start_time, dateDiff('microsecond', min(started), max(ended)) / 1000
           AS latency_ms,
       count() AS spans, countIf(status = 'error') AS errors,
       sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
       sumOrNull(cost) AS cost, argMin(session_id, {ROOT}) AS session_id,
       argMin(user_id, {ROOT}) AS user_id, argMin(environment, {ROOT}) AS environment,
       argMin(input_preview, {ROOT}) AS input_preview,
       argMin(output_preview, {ROOT}) AS output_preview, groupArray({SCORED_SPANS})(id) AS ids
FROM (
    SELECT trace_id, id, id_time, parent_id, name, model, status, input_tokens, output_tokens, cost,
           start_time AS started, end_time AS ended, session_id, user_id, environment,
           input_preview, output_preview
    FROM events WHERE {WITHIN} AND trace_id IN (
        SELECT DISTINCT trace_id FROM events WHERE {WITHIN}
        AND id_time BETWEEN {{since:DateTime64(3, 'UTC')}} AND {{at:DateTime64(3, 'UTC')}}
    )
    LIMIT 1 BY id_time, id
) AS span
GROUP BY trace_id HAVING first >= {{since:DateTime64(3, 'UTC')}} <having>
ORDER BY first DESC, trace_id DESC LIMIT {{limit:UInt32}}
"""
FIRST_SPANS = (
    20  # of each trace wanted, looked at first; eight times as many when too few begin there
)
MORE_SPANS = 8
# A trace matches a filter when any of its spans does.
HAVING = {
    name: f"has(groupUniqArray(span.{name}), {{{name}:String}})"
    for name in ("environment", "model", "session_id", "user_id")
}
STATUS = {"error": "errors > 0", "ok": "errors = 0"}
BEFORE = "(first, trace_id) < ({at:DateTime64(3, 'UTC')}, {after:String})"
SPAN_SCORES = SCORE_IDS + "AND name != {marker:String}" + aggregate.TODAY
SCORES = f"""
SELECT trace, name, {aggregate.VALUE} FROM (
    SELECT transform(event_id, {{ids:Array(UUID)}}, {{traces:Array(UInt32)}}, 0) AS trace, *
    FROM ({aggregate.LATEST.replace("<where>", SPAN_SCORES)})
    WHERE value IS NOT NULL
)
GROUP BY trace, name ORDER BY trace, name
"""


class Equal(BaseModel):
    """Filters of the list: absent or equal."""

    environment: str = ""
    model: str = ""
    session_id: str = ""
    user_id: str = ""


@router.get("/v1/traces", response_model=r.TracePage)
def traces(
    caller: Reader,
    parts: Parts,
    window: Within,
    equal: Annotated[Equal, Depends()],
    status: str = "",
    cursor: str = "",
    limit: Limit = 50,
) -> Response:
    """A page of traces that have a span in the window, newest first."""
    params: dict[str, object] = {name: value for name, value in equal.model_dump().items() if value}
    having = [HAVING[name] for name in params]
    if status:
        having.append(STATUS.get(status, "0"))
    at = LAST
    if cursor:
        last, params["after"] = _read_cursor(cursor)
        at = min(last, LAST)
        having.append(BEFORE)
    params |= {"project": caller.project, "start": window.start, "end": window.end, "at": at}
    newest = Window(window.start, min(window.end, at + MILLISECOND))
    found = _newest(parts.clickhouse, caller.project, newest, having, limit, params)
    versions = parts.cards.versions(caller.project)
    scores = _scores(parts.clickhouse, caller.project, versions, [row["ids"] for row in found])
    page = [_trace_row(row, scores.get(place, {})) for place, row in enumerate(found, 1)]
    more = _cursor(found[-1]) if len(found) == limit else ""
    return json_answer(r.TracePage(page, more))


def _newest(
    clickhouse: ClickHouse,
    project: str,
    window: Window,
    having: Sequence[str],
    limit: int,
    params: Mapping[str, object],
) -> list[dict[str, Any]]:
    """The newest `limit` traces; looks further back until enough begin there."""
    query = LIST.replace("<having>", "".join(f" AND {condition}" for condition in having))
    spans = FIRST_SPANS * limit
    while True:
        reached = reach(clickhouse, project, window, spans, newest_first=True)
        since = reached or window.start
        found = clickhouse.rows(query, limit=limit, since=since, **params)
        if len(found) == limit or not reached:
            return found
        spans *= MORE_SPANS


@router.get("/v1/traces/{trace_id:path}", response_model=r.Trace)
def trace(
    trace_id: str, caller: Reader, parts: Parts, store: Store, cursor: str = "", event: str = ""
) -> Response:
    """A page of a trace with its spans' bodies and all their scores: the first 200 spans, those
    behind `cursor`, or the page that holds `event`.
    """
    spans = Spans(parts.clickhouse, caller.project, trace_id)
    if event and not cursor:
        page = spans.page_with(given_id("event", event, "the id of an event"))
    else:
        page = spans.page_after(cursor_id(cursor) if cursor else START)
    if page is None:
        raise not_found("trace", trace_id)
    events, scores = store.whole(page.ids), store.scores(page.ids)
    around = (page.more, page.earlier, page.next_cursor, page.previous_cursor)
    return json_answer(r.Trace(trace_id, events, scores, *around))


def _trace_row(row: Mapping[str, Any], scores: dict[str, float]) -> r.TraceRow:
    kept = {name: value for name, value in row.items() if name not in ("first", "ids")}
    return r.TraceRow(**{**kept, "start_time": rfc3339(row["start_time"]), "scores": scores})


def _scores(
    clickhouse: ClickHouse,
    project: str,
    versions: Mapping[str, str],
    traces: Sequence[Sequence[UUID]],
) -> dict[int, dict[str, float]]:
    """The aggregate of each score over the spans of each trace; places count from 1."""
    place = {span: at for at, spans in enumerate(traces, 1) for span in spans}
    if not place:
        return {}
    found = clickhouse.query(
        SCORES,
        marker=MARKER,
        traces=list(place.values()),
        metrics=list(versions),
        versions=list(versions.values()),
        **by_id(project, list(place)),
    )
    scores: dict[int, dict[str, float]] = defaultdict(dict)
    for at, name, value in found:
        if value is not None:
            scores[at][name] = value
    return scores


def _cursor(row: Mapping[str, Any]) -> str:
    text = f"{(row['first'] - EPOCH) // MILLISECOND}:{row['trace_id']}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        milliseconds, _, trace_id = base64.urlsafe_b64decode(cursor).decode().partition(":")
        return EPOCH + timedelta(milliseconds=int(milliseconds)), trace_id
    except (binascii.Error, ValueError, OverflowError):
        words = "cursor must be the next_cursor of the page before"
        raise Problem(422, "invalid_field", words, field="cursor") from None
