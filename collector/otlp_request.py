"""An OTLP trace request, protobuf or JSON, as plain spans. Never trusts what it reads.

The way of a span: `otlp_http` and `otlp_grpc` are the doors, `otlp_request` reads, `otlp_scope`
leaves out what is not about language models, `otlp_mapping` makes the event (`otlp_content` its
texts, `otlp_aliases` says under which names), `otlp_store` runs the pipeline of every event.

OTLP 1.x, https://opentelemetry.io/docs/specs/otlp: in JSON ids are hex (not base64), 64-bit
integers may be strings, names are camelCase and enums are numbers.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from .problem import Problem

Json = Any
Attributes = dict[str, Json]

STATUS_ERROR = 2
MAX_DEPTH = 32
MAX_ATTRIBUTES = 2_000  # of a span: indexed messages of a long conversation need many
MAX_EVENTS = 500


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened during a span. `time`: nanoseconds since the epoch."""

    name: str
    time: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Span:
    """One span. Ids are lower-case hex; times are nanoseconds since the epoch."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start: int
    end: int
    attributes: Attributes
    resource: Attributes
    library: str
    failed: bool
    message: str
    events: tuple[SpanEvent, ...] = field(default=())


def from_protobuf(body: bytes) -> list[Span]:
    """The spans of a protobuf request. Raises Problem 400."""
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except (DecodeError, ValueError) as error:
        raise Problem(400, "malformed", "the body is no OTLP trace request") from error
    return [
        _from_message(span, resource, scope.scope.name)
        for part in request.resource_spans
        for resource in [_attributes(part.resource.attributes)]
        for scope in part.scope_spans
        for span in scope.spans
    ]


def _from_message(span: Any, resource: Attributes, library: str) -> Span:
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex().strip("0") and span.parent_span_id.hex(),
        name=span.name,
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        resource=resource,
        library=library,
        failed=span.status.code == STATUS_ERROR,
        message=span.status.message,
        events=tuple(
            SpanEvent(event.name, event.time_unix_nano, _attributes(event.attributes))
            for event in span.events[:MAX_EVENTS]
        ),
    )


def _attributes(pairs: Iterable[Any]) -> Attributes:
    found: Attributes = {}
    for pair in pairs:
        if len(found) >= MAX_ATTRIBUTES:
            break
        found[pair.key] = _value(pair.value, 0)
    return found


def _value(value: Any, depth: int) -> Json:
    kind = value.WhichOneof("value")
    if kind is None or depth > MAX_DEPTH:
        return None
    if kind == "array_value":
        return [_value(item, depth + 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value, depth + 1) for pair in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return getattr(value, kind)


# ----------------------------------------------------------------------- JSON


def from_json(body: bytes) -> list[Span]:
    """The spans of a JSON request. Raises Problem 400; a span of a wrong shape is left empty."""
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Problem(400, "malformed", "the body is not JSON") from None
    if not isinstance(request, dict):
        raise Problem(400, "malformed", "an OTLP trace request is a JSON object")
    return list(_json_spans(request))


def _json_spans(request: Mapping[str, Json]) -> Iterator[Span]:
    for part in _objects(request, "resourceSpans", "resource_spans"):
        resource = _json_attributes(_object(part.get("resource")))
        for scope in _objects(part, "scopeSpans", "scope_spans"):
            library = _text(_object(scope.get("scope")).get("name"))
            for span in _objects(scope, "spans", "spans"):
                yield _from_object(span, resource, library)


def _from_object(span: Mapping[str, Json], resource: Attributes, library: str) -> Span:
    status = _object(span.get("status"))
    parent = _hex(_either(span, "parentSpanId", "parent_span_id"))
    return Span(
        trace_id=_hex(_either(span, "traceId", "trace_id")),
        span_id=_hex(_either(span, "spanId", "span_id")),
        parent_id=parent.strip("0") and parent,
        name=_text(span.get("name")),
        start=_integer(_either(span, "startTimeUnixNano", "start_time_unix_nano")),
        end=_integer(_either(span, "endTimeUnixNano", "end_time_unix_nano")),
        attributes=_json_attributes(span),
        resource=resource,
        library=library,
        failed=status.get("code") in (STATUS_ERROR, "STATUS_CODE_ERROR", str(STATUS_ERROR)),
        message=_text(status.get("message")),
        events=tuple(
            SpanEvent(
                _text(event.get("name")),
                _integer(_either(event, "timeUnixNano", "time_unix_nano")),
                _json_attributes(event),
            )
            for event in _objects(span, "events", "events")[:MAX_EVENTS]
        ),
    )


def _json_attributes(holder: Mapping[str, Json]) -> Attributes:
    pairs = _objects(holder, "attributes", "attributes")[:MAX_ATTRIBUTES]
    return {_text(pair.get("key")): _json_value(pair.get("value"), 0) for pair in pairs}


def _json_value(value: Json, depth: int) -> Json:
    """An AnyValue: an object with one of its keys."""
    found = _object(value)
    if depth > MAX_DEPTH:
        return None
    for name, alias in (("stringValue", "string_value"), ("bytesValue", "bytes_value")):
        if (text := _either(found, name, alias)) is not None:
            return _text(text)
    if (flag := _either(found, "boolValue", "bool_value")) is not None:
        return flag is True
    if (whole := _either(found, "intValue", "int_value")) is not None:
        return _integer(whole)
    if (number := _either(found, "doubleValue", "double_value")) is not None:
        return _number(number)
    if (array := _either(found, "arrayValue", "array_value")) is not None:
        return [_json_value(item, depth + 1) for item in _objects(_object(array), "values", "")]
    if (pairs := _either(found, "kvlistValue", "kvlist_value")) is not None:
        items = _objects(_object(pairs), "values", "")
        return {_text(pair.get("key")): _json_value(pair.get("value"), depth + 1) for pair in items}
    return None


def _either(holder: Mapping[str, Json], name: str, alias: str) -> Json:
    return holder.get(name, holder.get(alias))


def _objects(holder: Mapping[str, Json], name: str, alias: str) -> list[dict[str, Json]]:
    found = _either(holder, name, alias)
    items = found if isinstance(found, list) else []
    return [item for item in items if isinstance(item, dict)]


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _hex(value: Json) -> str:
    """Hex, as the spec says; anything else is no id."""
    text = _text(value).lower()
    try:
        bytes.fromhex(text)
    except ValueError:
        return ""
    return text


def _integer(value: Json) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return 0


def _number(value: Json) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None
