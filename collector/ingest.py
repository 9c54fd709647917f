"""`POST /v1/events`: lines in, durable rows out (docs/api.md, Ingest)."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from driftline.sdk.records import IngestResult, LineProblem

from .auth import Caller, require
from .batch import Batch, Outcome
from .body import announced_size, decompress, read_body, too_large
from .intake import Intake, take_in
from .pipeline import Arrival
from .problem import Problem, busy
from .services import Parts, Services

router = APIRouter(tags=["ingest"])
Sender = Annotated[Caller, Depends(require("ingest"))]


LINES = {
    "requestBody": {
        "required": True,
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
    }
}
NOTHING_STORED: dict[int | str, dict[str, Any]] = {
    422: {"model": IngestResult, "description": "Every line was rejected"}
}


@router.post(
    "/v1/events", response_model=IngestResult, responses=NOTHING_STORED, openapi_extra=LINES
)
async def ingest(request: Request, caller: Sender, parts: Parts) -> Response:
    """Store JSON lines; answers when they are durable."""
    try:
        parts.limits.admit(caller.project)
        parts.committer.admit()
        intake = await _read(request, caller.project, parts)
    except Problem as problem:
        await count_refused(caller.project, problem, parts)
        raise
    outcome = await commit(intake.batch(caller.project), parts)
    result = _result(intake, outcome)
    _measure(intake, result, parts)
    nothing_stored = intake.lines > 0 and len(result.rejected) == intake.lines
    return Response(
        orjson.dumps(result), 422 if nothing_stored else 200, media_type="application/json"
    )


async def _read(request: Request, project: str, parts: Services) -> Intake:
    limit = parts.settings.max_body_bytes
    with parts.bodies.reserve(announced_size(request, limit)):
        body = await read_body(request, limit)
        encoding = request.headers.get("content-encoding", "").strip().lower()
        return await parts.bodies.decoding(_take_in, body, encoding, project, parts)


def _take_in(body: bytes, encoding: str, project: str, parts: Services) -> Intake:
    settings = parts.settings
    plain = decompress(body, encoding, settings.max_body_bytes)
    wanted, breaks = parts.policies.of(project), plain.rstrip().count(b"\n")
    parts.limits.charge(project, wanted, breaks + 1, len(plain))
    if breaks >= settings.max_lines:
        words = f"a request holds at most {settings.max_lines} lines: send smaller batches"
        raise Problem(413, "too_large", words)
    arrival = Arrival(project, parts.clock(), wanted, parts.tombstones.of(project))
    intake = take_in(plain, arrival, settings.max_line_bytes)
    if not intake.lines:
        raise Problem(400, "malformed", "the body holds no lines: send one JSON object a line")
    return intake


async def commit(batch: Batch, parts: Services) -> Outcome:
    """Wait until the batch is durable; a sender that is told to come back has lost nothing."""
    waiting = asyncio.wrap_future(parts.committer.submit(batch))
    try:
        return await asyncio.wait_for(waiting, parts.settings.queue_seconds)
    except TimeoutError:
        raise busy("the database is slow; try again", retry_seconds=5) from None


def _result(intake: Intake, outcome: Outcome) -> IngestResult:
    refused = [
        LineProblem(item.line, item.drop.id, item.drop.reason, item.drop.field, item.drop.message)
        for item in outcome.refused
    ]
    rejected = sorted(intake.rejected + refused, key=lambda problem: problem.line)
    return IngestResult(outcome.accepted, outcome.duplicates, rejected, intake.warnings)


async def count_refused(project: str, problem: Problem, parts: Services) -> None:
    """A request that is too large will never come in: that is a loss, so it is counted."""
    parts.meters.refused.labels(problem.code).inc()
    if problem.code == too_large(0).code:
        await commit(Batch(project, dropped={"request_too_large": 1}), parts)


def _measure(intake: Intake, result: IngestResult, parts: Services) -> None:
    meters = parts.meters
    meters.accepted.inc(result.accepted)
    meters.duplicates.inc(result.duplicates)
    for problem in result.rejected:
        meters.rejected.labels(problem.reason).inc()
    for problem in result.warnings:
        meters.warnings.labels(problem.reason).inc()
    for reason, count in intake.lost.items():
        meters.lost.labels(reason).inc(count)
