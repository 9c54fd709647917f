"""The trace across processes: W3C Trace Context (level 2), and Baggage for session and user.

    with driftline.continue_trace(request.headers):  # the server
        answer(...)
    httpx.post(url, headers=driftline.trace_headers())  # the client

A header that is malformed is ignored, as if it were not there. Our entry in tracestate, `dl=w:10`,
tells the weight of a trace that was sampled at its head; what others wrote there goes on unchanged.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote

from . import context
from .context import Active, Link

HEADER = re.compile(
    r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII | re.DOTALL
)
TRACE_ID, SPAN_ID = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{16}")
SAMPLED, RANDOM = 1, 2  # trace-flags
MAX_ENTRIES = 32  # of tracestate
MAX_STATE_CHARS = 512
MAX_BAGGAGE_CHARS = 8192
MAX_ID_CHARS = 256  # of a session or user that arrives
MAX_WEIGHT = 1e6
BAGGAGE = {"session.id": "session_id", "user.id": "user_id"}
UNKNOWN = 0.0  # the weight of a trace that a stranger sampled


def traceparent() -> str:
    """The header of the current span, for the next process; "" outside of a span.

    "" too in a trace whose id, given by the app, is not 32 hex digits.
    """
    active = context.current()
    if active is None or not (
        _is_id(TRACE_ID, active.trace_id) and _is_id(SPAN_ID, active.span_id)
    ):
        return ""
    flags = SAMPLED * active.sampled | RANDOM * active.link.random
    return f"00-{active.trace_id}-{active.span_id}-{flags:02x}"


def trace_headers() -> dict[str, str]:
    """traceparent, tracestate and baggage (session and user) of the current span; {} outside."""
    header, active = traceparent(), context.current()
    if not header or active is None:
        return {}
    found = {"traceparent": header, "tracestate": _state(active.link), "baggage": _baggage(active)}
    return {name: value for name, value in found.items() if value}


@contextlib.contextmanager
def continue_trace(headers: Mapping[str, str]) -> Iterator[None]:
    """Spans inside are children of the span that the request's `headers` name."""
    active = remote(headers)
    if active is None:
        yield
        return
    before = active.outer
    context.replace(active)
    try:
        yield
    finally:
        context.leave(active, before)


def remote(headers: Mapping[str, str]) -> Active | None:
    """The span of another process as the current one; its event id is "". None: no such header."""
    found = {str(name).lower(): str(value) for name, value in headers.items()}
    match = HEADER.fullmatch(found.get("traceparent", "").strip(" \t"))
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    future = version not in ("00", "ff")
    if version == "ff" or (rest and not future) or not (int(trace_id, 16) and int(span_id, 16)):
        return None
    bits = int(flags, 16)
    weight, state = _read_state(found.get("tracestate", ""))
    link = Link(weight, state, bool(bits & RANDOM))
    inherited = _read_baggage(found.get("baggage", ""))
    return Active("", trace_id, span_id, bool(bits & SAMPLED), inherited, context.current(), link)


def _is_id(pattern: re.Pattern[str], text: str) -> bool:
    return pattern.fullmatch(text) is not None and text.strip("0") != ""


def _state(link: Link) -> str:
    own = f"dl=w:{link.weight:.9g}"
    others = link.tracestate.split(",")[: MAX_ENTRIES - 1] if link.tracestate else []
    while others and len(",".join([own, *others])) > MAX_STATE_CHARS:
        others.pop()
    return ",".join([own, *others])


def _read_state(header: str) -> tuple[float, str]:
    """Our weight, UNKNOWN when it is not there, and the entries of the others."""
    weight, others = UNKNOWN, []
    for entry in header.split(",")[:MAX_ENTRIES]:
        name, _, value = entry.strip(" \t").partition("=")
        if name == "dl" and value.startswith("w:"):
            weight = _weight(value[2:])
        elif name and value and value.isascii() and value.isprintable():
            others.append(f"{name}={value}")
    return weight, ",".join(others)


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return UNKNOWN
    return weight if math.isfinite(weight) and 1.0 <= weight <= MAX_WEIGHT else UNKNOWN


def _baggage(active: Active) -> str:
    pairs = ((name, active.inherited.get(field, "")) for name, field in BAGGAGE.items())
    return ",".join(f"{name}={quote(value, safe='')}" for name, value in pairs if value)


def _read_baggage(header: str) -> dict[str, str]:
    found = {}
    for entry in header[:MAX_BAGGAGE_CHARS].split(","):
        name, _, value = entry.partition(";")[0].partition("=")
        field = BAGGAGE.get(name.strip())
        text = unquote(value.strip())[:MAX_ID_CHARS]
        if field and text:
            found[field] = text
    return found
