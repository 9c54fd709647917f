"""`GET /v1/costs`: what each model cost. `POST /v1/costs/recompute`: price stored events again."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import AwareDatetime, BaseModel

from driftline.sdk import records as r

from . import reprice
from .auth import Caller, require
from .clock import rfc3339
from .cost import PRICED_KINDS
from .event import EPOCH
from .reads import Reader, json_answer
from .reprice import Span
from .services import Parts
from .window import LAST, MINUTE_SECONDS, Within, floor

router = APIRouter(tags=["costs"])
Admin = Annotated[Caller, Depends(require("admin"))]
MOST_ROWS = 1000

COSTS = f"""
SELECT provider, model, source, sum(n), sum(tokens_in), sum(tokens_out),
       if(source = '', NULL, sum(dollars)) AS total
FROM events_minute FINAL
ARRAY JOIN by_source.source AS source, by_source.events AS n, by_source.input_tokens AS tokens_in,
           by_source.output_tokens AS tokens_out, by_source.cost AS dollars
WHERE project = {{project:String}} AND minute >= {{start:DateTime64(3, 'UTC')}}
  AND minute < {{end:DateTime64(3, 'UTC')}}
  AND (kind IN ({", ".join(f"'{kind}'" for kind in sorted(PRICED_KINDS))}) OR source != '')
GROUP BY provider, model, source
ORDER BY source = '' DESC, total DESC, provider, model LIMIT {MOST_ROWS}
SETTINGS do_not_merge_across_partitions_select_final = 1
"""


class Recompute(BaseModel):
    """`cursor` is the answer's of the step before, "" for the first."""

    start: AwareDatetime
    end: AwareDatetime
    cursor: AwareDatetime | Literal[""] = ""


@router.get("/v1/costs")
def costs(caller: Reader, parts: Parts, window: Within) -> Response:
    """What each model cost in the window, to the minute; first those without a price."""
    parts.rollup.flush()
    start = floor(window.start, MINUTE_SECONDS)
    found = parts.clickhouse.query(COSTS, project=caller.project, start=start, end=window.end)
    return json_answer({"costs": [r.CostRow(*row) for row in found]})


@router.post("/v1/costs/recompute")
def recompute(body: Recompute, caller: Admin, parts: Parts) -> r.Recomputed:
    """Price one week of stored events again; charts show it when the answer comes.

    A step that is repeated, after a crash or by two callers, comes to the same.
    """
    start, end = max(body.cursor or body.start, EPOCH), min(body.end, LAST)
    if start >= end:
        return r.Recomputed(0, 0, "")
    week = reprice.first_week(parts.clickhouse, Span(caller.project, start, end))
    if week is None:
        return r.Recomputed(0, 0, "")
    own = parts.policies.of(caller.project).prices
    done = reprice.reprice(parts.clickhouse, week, own)
    parts.rollup.touch(caller.project, done.minutes)
    parts.rollup.flush()
    more = week.end < end
    return r.Recomputed(done.examined, done.changed, rfc3339(week.end) if more else "")
