"""`GET /v1/hallucination/...`: how many answers hold a hallucination, as an estimate that says how
sure it is, and which answers a person should label next. docs/hallucination_rate.md
"""

from __future__ import annotations

from math import sqrt
from typing import Annotated

from fastapi import APIRouter, Query, Response

from driftline.sdk import records as r

from .clickhouse import ClickHouse
from .clock import rfc3339
from .ppi import MIN_LABELS, Interval, Sums, prediction_powered, predictions_only
from .reads import Reader, json_answer
from .services import Parts, Services
from .window import Window, Within

SCORE = "hallucination"
UNLIKE = 2.58  # standard errors between the labelled and the rest: chance exceeds it once in 100
router = APIRouter(tags=["hallucination"])
Few = Annotated[int, Query(ge=1, le=500)]

WITHIN = """
project = {project:String} AND name = {name:String}
AND event_time >= {start:DateTime64(3, 'UTC')} AND event_time < {end:DateTime64(3, 'UTC')}
"""
# The version that workers announced, else the one that computed last.
VERSION = f"""
if({{version:String}} != '', {{version:String}}, (
    SELECT argMax(metric_version, computed_at) FROM scores WHERE {WITHIN} AND source = 'worker'
))
"""
# One row an answer: what that version of the detector said, and what a person said. Tuples, since
# argMax passes over plain nulls and would bring back a value that no longer holds.
JUDGED = f"""
SELECT event_id, said.1 AS f, said.2 AS w, label.1 AS y FROM (
    SELECT event_id,
           argMaxIf(tuple(value, sample_weight), computed_at, source = 'worker') AS said,
           argMaxIf(tuple(value), computed_at, source = 'human') AS label
    FROM scores
    WHERE {WITHIN}
      AND (source = 'human' OR source = 'worker' AND metric_version = {VERSION})
    GROUP BY event_id
)
WHERE f IS NOT NULL AND w > 0
"""
SUMS = f"""
SELECT y IN (0, 1) AS labelled, count(), sum(w), sum(w * f), sum(w * y), sum(w * w),
       sum(w * w * f), sum(w * w * y), sum(w * w * f * f), sum(w * w * f * y), sum(w * w * y * y)
FROM (SELECT assumeNotNull(f) AS f, w, ifNull(y, -1) AS y FROM ({JUDGED})) GROUP BY labelled
"""
# In an order that nothing else depends on: whoever labels the first n has labelled a random sample.
UNLABELLED = f"""
SELECT toString(event_id) FROM ({JUDGED}) WHERE ifNull(y, -1) NOT IN (0, 1)
ORDER BY sipHash64(event_id), event_id LIMIT {{limit:UInt32}}
"""

NOTHING = "no answer in this range has a probability: it takes a context and a worker"
CALIBRATED = (
    "No labels: right only as far as the detector is calibrated on this traffic, which the interval"
    " does not cover. Label answers on their trace page, or by `driftline hallucination label`."
)
FEW = f"{{n}} of the {MIN_LABELS} labels that a correction takes; until then: "
HELD = "Corrected by people's labels; it holds where the labelled answers were picked at random."
PICKED = (
    "The labelled answers look {how} than the rest (mean probability {labelled:.2f}, else"
    " {rest:.2f}): they were not picked at random, so the interval can be wrong."
    " `driftline hallucination label` picks at random."
)


@router.get("/v1/hallucination/rate", response_model=r.HallucinationRate)
def rate(caller: Reader, parts: Parts, window: Within) -> Response:
    """The share of answers that hold a hallucination, with its 95 % interval."""
    labelled, rest = _sums(parts.clickhouse, _bounds(caller.project, parts, window))
    return json_answer(estimate(window, labelled, rest))


@router.get("/v1/hallucination/unlabelled")
def unlabelled(caller: Reader, parts: Parts, window: Within, limit: Few = 50) -> Response:
    """Answers that nobody labelled, in a random order that stays the same: label them in order."""
    found = parts.clickhouse.query(
        UNLABELLED, limit=limit, **_bounds(caller.project, parts, window)
    )
    return json_answer({"ids": [event_id for (event_id,) in found]})


def estimate(window: Window, labelled: Sums, rest: Sums) -> r.HallucinationRate:
    """From the labelled answers and the rest."""
    if labelled.n >= MIN_LABELS:
        found, note = prediction_powered(labelled, rest), _how_picked(labelled, rest)
        return _rate(window, labelled, rest, "prediction-powered", found, note)
    everything = _together(labelled, rest)
    if not everything.n:
        return _rate(window, labelled, rest, "not enough data", None, NOTHING)
    note = FEW.format(n=labelled.n) + CALIBRATED if labelled.n else CALIBRATED
    found = predictions_only(everything)
    return _rate(window, labelled, rest, "calibrated probabilities", found, note)


def _rate(
    window: Window,
    labelled: Sums,
    rest: Sums,
    method: r.RateMethod,
    found: Interval | None,
    note: str,
) -> r.HallucinationRate:
    return r.HallucinationRate(
        start=rfc3339(window.start),
        end=rfc3339(window.end),
        estimate=found.estimate if found else None,
        low=found.low if found else None,
        high=found.high if found else None,
        n=labelled.n + rest.n,
        n_labelled=labelled.n,
        method=method,
        note=note,
    )


def _how_picked(labelled: Sums, rest: Sums) -> str:
    """Whether the labelled answers look like the others."""
    if not rest.n:
        return HELD
    apart = labelled.f - rest.f
    if abs(apart) <= UNLIKE * sqrt(labelled.variance_of_f() + rest.variance_of_f()):
        return HELD
    how = "riskier" if apart > 0 else "safer"
    return PICKED.format(how=how, labelled=labelled.f, rest=rest.f)


def _together(one: Sums, other: Sums) -> Sums:
    if not one.n:
        return other
    return Sums(
        one.n + other.n,
        *(
            getattr(one, name) + getattr(other, name)
            for name in ("w", "wf", "wy", "ww", "wwf", "wwy", "wwff", "wwfy", "wwyy")
        ),
    )


def _sums(clickhouse: ClickHouse, bounds: dict[str, object]) -> tuple[Sums, Sums]:
    found = {bool(row[0]): Sums(*row[1:]) for row in clickhouse.query(SUMS, **bounds)}
    return found.get(True, Sums()), found.get(False, Sums())


def _bounds(project: str, parts: Services, window: Window) -> dict[str, object]:
    version = parts.cards.versions(project).get(SCORE, "")
    return {
        "project": project,
        "name": SCORE,
        "version": version,
        "start": window.start,
        "end": window.end,
    }
