"""`POST /v1/traces` and Langfuse's path: OTLP over HTTP, protobuf and JSON.

A switch from another backend is a base URL and keys: `/api/public/otel` with Basic auth is what
Langfuse's SDKs use, `/v1/traces` with a header is everybody else's.
"""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from .auth import Caller, require
from .body import announced_size, decompress, read_body
from .ingest import commit, count_refused
from .intake import Intake
from .otlp_request import from_json, from_protobuf
from .otlp_store import Rejection, measure, rejection, take_in_spans
from .problem import Problem
from .services import Parts, Services

router = APIRouter(tags=["opentelemetry"])
Sender = Annotated[Caller, Depends(require("ingest"))]
PROTOBUF, JSON = "application/x-protobuf", "application/json"
BODY = {
    "requestBody": {
        "required": True,
        "content": {PROTOBUF: {"schema": {"type": "string", "format": "binary"}}},
    }
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Stored; `partialSuccess` says what was not", "content": {PROTOBUF: {}}}
}


@router.post("/v1/traces", response_class=Response, responses=ANSWERS, openapi_extra=BODY)
@router.post(
    "/api/public/otel/v1/traces", response_class=Response, responses=ANSWERS, openapi_extra=BODY
)
async def export(request: Request, caller: Sender, parts: Parts) -> Response:
    """Store the spans of an OTLP request; answers when they are durable, in its encoding."""
    kind = request.headers.get("content-type", PROTOBUF).partition(";")[0].strip().lower()
    if kind not in (PROTOBUF, JSON):
        words = f"Content-Type must be {PROTOBUF} or {JSON}"
        raise Problem(415, "unsupported_media_type", words, field="content-type")
    try:
        parts.limits.admit(caller.project)
        parts.committer.admit()
        intake = await _read(request, kind, caller.project, parts)
    except Problem as problem:
        await count_refused(caller.project, problem, parts)
        raise
    outcome = await commit(intake.batch(caller.project), parts)
    measure(parts, intake, outcome)
    return _answer(kind, rejection(intake, outcome))


async def _read(request: Request, kind: str, project: str, parts: Services) -> Intake:
    limit = parts.settings.max_body_bytes
    with parts.bodies.reserve(announced_size(request, limit)):
        body = await read_body(request, limit)
        encoding = request.headers.get("content-encoding", "").strip().lower()
        return await parts.bodies.decoding(_take_in, body, encoding, kind, project, parts)


def _take_in(body: bytes, encoding: str, kind: str, project: str, parts: Services) -> Intake:
    plain = decompress(body, encoding, parts.settings.max_body_bytes)
    spans = from_json(plain) if kind == JSON else from_protobuf(plain)
    if len(spans) > parts.settings.max_lines:
        words = f"a request holds at most {parts.settings.max_lines} spans: send smaller batches"
        raise Problem(413, "too_large", words)
    return take_in_spans(parts, project, spans, len(plain))


def _answer(kind: str, rejected: Rejection) -> Response:
    if kind == JSON:
        body: dict[str, object] = {}
        if rejected.spans:
            body["partialSuccess"] = {
                "rejectedSpans": str(rejected.spans),
                "errorMessage": rejected.message,
            }
        return Response(orjson.dumps(body), media_type=JSON)
    return Response(response_of(rejected).SerializeToString(), media_type=PROTOBUF)


def response_of(rejected: Rejection) -> ExportTraceServiceResponse:
    """The protobuf answer."""
    response = ExportTraceServiceResponse()
    if rejected.spans:
        response.partial_success.rejected_spans = rejected.spans
        response.partial_success.error_message = rejected.message
    return response


@router.post("/v1/logs", include_in_schema=False)
@router.post("/v1/metrics", include_in_schema=False)
@router.post("/api/public/otel/v1/metrics", include_in_schema=False)
async def not_stored(request: Request, caller: Sender) -> Response:
    """Logs and metrics are accepted and dropped, so that an exporter for all three is content."""
    async for _ in request.stream():
        pass
    kind = request.headers.get("content-type", PROTOBUF).partition(";")[0].strip().lower()
    return Response(b"{}" if kind == JSON else b"", media_type=kind)
