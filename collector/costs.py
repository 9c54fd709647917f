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
from .reads import Reader, json_answer
from .reprice import Span
from .services import Parts
from .window import Within

router = APIRouter(tags=["costs"])
Admin = Annotated[Caller, Depends(require("admin"))]
MOST_ROWS = 1000

COSTS = f"""
SELECT provider, model, cost_source, count(), sum(input_tokens), sum(output_tokens),
       if(cost_source = '', NULL, sum(cost))
FROM (
    SELECT provider, model, cost_source, input_tokens, output_tokens, cost FROM events
    WHERE project = {{project:String}} AND id_time >= {{start:DateTime64(3, 'UTC')}}
      AND id_time < {{end:DateTime64(3, 'UTC')}}
      AND (kind IN ({", ".join(f"'{kind}'" for kind in sorted(PRICED_KINDS))})
           OR cost IS NOT NULL)
    ORDER BY id_time, id LIMIT 1 BY id_time, id
)
GROUP BY provider, model, cost_source
ORDER BY cost_source = '' DESC, sum(cost) DESC, provider, model LIMIT {MOST_ROWS}
"""


class Recompute(BaseModel):
    """`cursor` is the answer's of the step before, "" for the first."""

    start: AwareDatetime
    end: AwareDatetime
    cursor: AwareDatetime | Literal[""] = ""


@router.get("/v1/costs")
def costs(caller: Reader, parts: Parts, window: Within) -> Response:
    """What each model cost in the window; first those without a price."""
    found = parts.clickhouse.query(
        COSTS, project=caller.project, start=window.start, end=window.end
    )
    return json_answer({"costs": [r.CostRow(*row) for row in found]})


@router.post("/v1/costs/recompute")
def recompute(body: Recompute, caller: Admin, parts: Parts) -> r.Recomputed:
    """Price one week of stored events again; charts show it when the answer comes.

    A step that is repeated, after a crash or by two callers, comes to the same.
    """
    start = body.cursor or body.start
    week = reprice.first_week(parts.clickhouse, Span(caller.project, start, body.end))
    if start >= body.end or week is None:
        return r.Recomputed(0, 0, "")
    own = parts.policies.of(caller.project).prices
    done = reprice.reprice(parts.clickhouse, week, own)
    parts.rollup.touch(caller.project, done.minutes)
    parts.rollup.flush()
    more = week.end < body.end
    return r.Recomputed(done.examined, done.changed, rfc3339(week.end) if more else "")
