"""A span as an event, and the evaluations in it as scores. Pure."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from . import otlp_aliases as aliases
from .clock import parse_rfc3339
from .event import EPOCH, Drop, Event, ScoreFact
from .otlp_content import documents, messages_in, parsed, text_of, text_out
from .otlp_request import Attributes, Span
from .wire import MAX_ITEMS, MAX_TOKENS_COUNTED, SCORE_NAME

Json = Any

MAX_METADATA_CHARS = 8192
LAST_NANOSECONDS = 253_402_300_799 * 10**9  # the end of year 9999


def event_of(span: Span) -> Event | Drop:
    """The event, with an id that the same span always gets; or why there is none."""
    if len(span.trace_id) != 32 or len(span.span_id) != 16 or not span.trace_id.strip("0"):
        words = "a span needs a trace id of 16 bytes and a span id of 8, not all zero"
        return Drop("invalid_id", "traceId", words)
    if not 0 < span.start <= LAST_NANOSECONDS or not 0 <= span.end <= LAST_NANOSECONDS:
        return Drop("time_out_of_range", "startTimeUnixNano", "the span's time is far from now")
    start = EPOCH + timedelta(microseconds=span.start // 1000)
    end = max(start, EPOCH + timedelta(microseconds=span.end // 1000))
    event = Event(event_id(span), start, end)
    event.trace_id, event.span_id, event.parent_id = span.trace_id, span.span_id, span.parent_id
    event.name = span.name
    for name, names in aliases.TEXTS.items():
        setattr(event, name, _first_text(names, span.attributes, span.resource))
    event.kind = kind_of(span)
    event.input, event.output = messages_in(span), text_out(span)
    event.context = documents(span.attributes)
    event.usage = usage_of(span.attributes)
    event.cost = _cost(span.attributes)
    event.time_to_first_token_ms = _first_token_ms(span)
    event.tags = _tags(span.attributes)
    event.error = _error(span)
    failed = span.failed or span.attributes.get("langfuse.observation.level") == "ERROR"
    event.status = "error" if failed else "ok"
    event.metadata = _metadata(span)
    return event


def event_id(span: Span) -> UUID:
    """A UUIDv7 of the span's start and a hash of its ids: a retry is the same event."""
    key = bytes.fromhex(span.trace_id + span.span_id)
    random = int.from_bytes(hashlib.blake2b(key, digest_size=10).digest())
    low, high = random & ((1 << 62) - 1), (random >> 62) & 0xFFF
    milliseconds = span.start // 1_000_000
    return UUID(int=milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)


def kind_of(span: Span) -> str:
    """By what the instrumentation says; else llm for a model with an answer or tokens."""
    for name, kinds in aliases.KINDS.items():
        value = span.attributes.get(name)
        if isinstance(value, str) and value:
            return kinds.get(value) or kinds.get(value.lower()) or kinds["*"]
    has_model = any(span.attributes.get(name) for name in aliases.TEXTS["model"])
    has_tokens = any(name in span.attributes for name in aliases.USAGE["output"])
    return "llm" if has_model and (has_tokens or bool(text_out(span))) else "chain"


def usage_of(attributes: Attributes) -> dict[str, int]:
    """Token counts; `input` includes cached ones, also where the sender's does not."""
    usage = {
        kind: count
        for kind, names in aliases.USAGE.items()
        if (count := _first_count(names, attributes)) is not None
    }
    details = parsed(attributes.get("langfuse.observation.usage_details"))
    if isinstance(details, Mapping):
        usage |= _langfuse_usage(details)
    cached = usage.get("input_cached", 0) + usage.get("input_cache_write", 0)
    if cached > usage.get("input", 0):  # excluded: nothing else can make the part the larger
        usage["input"] = usage.get("input", 0) + cached
    return usage


def _langfuse_usage(details: Mapping[str, Json]) -> dict[str, int]:
    usage = {
        kind: count
        for kind, names in aliases.LANGFUSE_USAGE.items()
        if (count := _first_count(names, details)) is not None
    }
    given = {name: _count(details.get(name)) for name in ("input", "output")}
    parts = usage.get("input_cached", 0) + usage.get("input_cache_write", 0)
    if given["input"] is not None:
        usage["input"] = given["input"] + parts
    elif (prompt := _count(details.get("prompt_tokens"))) is not None:
        usage["input"] = prompt
    if given["output"] is not None:
        usage["output"] = given["output"] + usage.get("reasoning", 0)
    elif (completion := _count(details.get("completion_tokens"))) is not None:
        usage["output"] = completion
    return usage


def scores_of(span: Span, event: UUID) -> Iterable[ScoreFact]:
    """`gen_ai.evaluation.result` events, as scores of a judge."""
    for happened in span.events:
        if happened.name != aliases.EVALUATION_EVENT:
            continue
        said = happened.attributes
        name, label = said.get("gen_ai.evaluation.name"), said.get("gen_ai.evaluation.score.label")
        value = _number(said.get("gen_ai.evaluation.score.value"))
        if isinstance(name, str) and SCORE_NAME.fullmatch(name) and (value is not None or label):
            explanation = text_of(said.get("gen_ai.evaluation.explanation"))
            yield ScoreFact(event, name, value, text_of(label), explanation, (), "judge")


# ------------------------------------------------------------------- small parts


def _first_text(names: Iterable[str], *holders: Attributes) -> str:
    for holder in holders:
        for name in names:
            value = holder.get(name)
            if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
                return str(value)
    return ""


def _first_count(names: Iterable[str], attributes: Mapping[str, Json]) -> int | None:
    for name in names:
        if (count := _count(attributes.get(name))) is not None:
            return count
    return None


def _count(value: Json) -> int | None:
    number = _number(value)
    return int(number) if number is not None and 0 <= number < MAX_TOKENS_COUNTED else None


def _number(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _cost(attributes: Attributes) -> float | None:
    details = parsed(attributes.get("langfuse.observation.cost_details"))
    given = [details.get("total")] if isinstance(details, Mapping) else []
    for value in (*given, *(attributes.get(name) for name in aliases.COST)):
        number = _number(value)
        if number is not None and number >= 0:
            return number
    return None


def _first_token_ms(span: Span) -> float | None:
    for name, unit in aliases.FIRST_TOKEN.items():
        number = _number(span.attributes.get(name))
        if number is not None and number >= 0:
            return number * unit
    at = _time(span.attributes.get(aliases.FIRST_TOKEN_AT))
    if at is not None:
        return max(0.0, (at - EPOCH) / timedelta(milliseconds=1) - span.start / 1e6)
    for event in span.events:
        if event.name in aliases.FIRST_TOKEN_EVENTS:
            return max(0.0, (event.time - span.start) / 1e6)
    return None


def _time(value: Json) -> datetime | None:
    try:
        return parse_rfc3339(value.strip('"')) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


def _tags(attributes: Attributes) -> list[str]:
    for name in aliases.TAGS:
        value = parsed(attributes.get(name))
        if isinstance(value, list):
            return [text_of(tag) for tag in value[:MAX_ITEMS]]
        if isinstance(value, str) and value:
            return [value]
    return []


def _error(span: Span) -> str:
    for event in span.events:
        if event.name == aliases.EXCEPTION_EVENT:
            kind, words = (event.attributes.get(f"exception.{n}") for n in ("type", "message"))
            return ": ".join(filter(None, (text_of(kind), text_of(words))))
    langfuse = span.attributes.get("langfuse.observation.status_message")
    if span.attributes.get("langfuse.observation.level") == "ERROR" and langfuse:
        return text_of(langfuse)
    return span.message if span.failed else ""


_MAPPED = frozenset(
    {
        *(name for names in aliases.TEXTS.values() for name in names),
        *(name for names in aliases.USAGE.values() for name in names),
        *aliases.COST,
        *aliases.INPUT,
        *aliases.OUTPUT,
        *aliases.FIRST_TOKEN,
        *aliases.TAGS,
        *aliases.METADATA,
        *aliases.DOCUMENT_LISTS,
        *aliases.KINDS,
        *aliases.SAID,
        aliases.SYSTEM,
        aliases.FIRST_TOKEN_AT,
        "langfuse.observation.usage_details",
        "langfuse.observation.cost_details",
        "langfuse.observation.level",
        "langfuse.observation.status_message",
    }
)
_MAPPED_PREFIXES = (*aliases.INDEXED_INPUT, *aliases.INDEXED_OUTPUT, *aliases.DOCUMENTS)


def _metadata(span: Span) -> dict[str, str]:
    """What people attached, then every attribute that no column holds, then the resource's."""
    found: dict[str, str] = {}
    for name in aliases.METADATA:
        attached = parsed(span.attributes.get(name))
        if isinstance(attached, Mapping):
            found |= {str(key): text_of(value) for key, value in attached.items()}
    for name, value in span.attributes.items():
        if name not in _MAPPED and not name.startswith(_MAPPED_PREFIXES):
            found.setdefault(_short(name), text_of(value))
    for name, value in span.resource.items():
        if name not in _MAPPED:
            found.setdefault(name, text_of(value))
    if span.library:
        found.setdefault("otel.scope.name", span.library)
    kept = list(found.items())[:MAX_ITEMS]
    return {name: value[:MAX_METADATA_CHARS] for name, value in kept if value}


def _short(name: str) -> str:
    for prefix in aliases.METADATA_PREFIXES:
        if name.startswith(prefix):
            return name[len(prefix) :] or name
    return name
