"""Rows of other tools as lines of the wire: plain tables, OpenAI logs, Langfuse, Phoenix.

A converter takes one row and returns the lines to send; what it does not know goes to `metadata`.
Rows without a UUIDv7 get one made of their time and their content, so the same file makes the same
ids.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .lines import Line, event_id, wire_lines
from .values import BadRow, compact, count, microseconds, number, parsed, texts

UUID7 = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?7[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}", re.I)
MAX_METADATA = 200


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows come from.

    time: of rows without one, in microseconds. columns: which column holds a field.
    """

    name: str
    time: int
    columns: Mapping[str, str] = field(default_factory=dict)


Row = Mapping[str, Any]
Convert = Callable[[Row, Source, int], Iterable[Line]]

# What people call our fields, best name first.
ALIASES: Mapping[str, Sequence[str]] = {
    "id": ("id", "event_id"),
    "start_time": ("start_time", "timestamp", "created_at", "time", "date", "created"),
    "end_time": ("end_time", "completed_at", "finished_at"),
    "input": ("input", "messages", "prompt", "question", "query", "user_input", "instruction"),
    "output": ("output", "response", "answer", "completion", "generation", "reply"),
    "context": ("context", "contexts", "retrieved_contexts", "documents", "passages"),
    "model": ("model", "model_name"),
    "provider": ("provider", "model_provider"),
    "name": ("name", "operation"),
    "trace_id": ("trace_id",),
    "parent_id": ("parent_id",),
    "span_id": ("span_id",),
    "session_id": ("session_id", "conversation_id", "thread_id"),
    "user_id": ("user_id", "user"),
    "environment": ("environment", "env"),
    "release": ("release", "app_version"),
    "status": ("status",),
    "error": ("error", "error_message"),
    "tags": ("tags",),
    "cost": ("cost", "total_cost"),
    "latency_ms": ("latency_ms", "latency", "duration_ms"),
    "input_tokens": ("input_tokens", "prompt_tokens"),
    "output_tokens": ("output_tokens", "completion_tokens"),
    "kind": ("kind",),
}
KINDS = frozenset({"llm", "retrieval", "tool", "agent", "chain", "embedding"})
STATUSES = frozenset({"ok", "error"})


def own(row: Row, source: Source, at: int) -> Iterable[Line]:
    """A line of `driftline export`, or any line of the wire."""
    if row.get("type", "event") != "event":
        return [dict(row)]
    return wire_lines(row)


def table(row: Row, source: Source, at: int) -> Iterable[Line]:
    """A row with columns of any name: `source.columns` first, then the names of ALIASES."""
    used: dict[str, str] = {}
    for wanted, names in ALIASES.items():
        named = source.columns.get(wanted)
        column = named or next((n for n in names if n in row and n not in used.values()), None)
        if column is not None:
            used[wanted] = column
    given = {wanted: row.get(column) for wanted, column in used.items()}
    rest = {name: value for name, value in row.items() if name not in used.values()}
    return [_line(given, rest, row, source, at)]


def _line(given: Row, rest: Row, row: Row, source: Source, at: int) -> Line:
    start = microseconds(given.get("start_time"), "start_time") or source.time
    latency = number(given.get("latency_ms"), "latency_ms")
    end = microseconds(given.get("end_time"), "end_time")
    if end is None and latency is not None:
        end = start + round(latency * 1000)
    usage = {
        "input": count(given.get("input_tokens"), "input_tokens"),
        "output": count(given.get("output_tokens"), "output_tokens"),
    }
    texts_ = {n: _plain(given.get(n)) for n in _TEXTS}
    kind, status = given.get("kind"), str(given.get("status") or "").lower()
    return {"type": "event", "id": _id(given.get("id"), start, row, source, at)} | compact(
        {
            "start_time": start,
            "end_time": end,
            "input": parsed(given.get("input")),
            "output": parsed(given.get("output")),
            "context": texts(given.get("context")),
            "tags": texts(given.get("tags")),
            "cost": number(given.get("cost"), "cost"),
            "usage": compact(usage),
            "kind": kind if kind in KINDS else None,
            "status": status if status in STATUSES else None,
            "metadata": _metadata(rest),
            **texts_,
        }
    )


_TEXTS = (
    *("name", "model", "provider", "trace_id", "parent_id", "span_id", "session_id", "user_id"),
    *("environment", "release", "error"),
)


def _plain(value: Any) -> str:
    return "" if value is None else str(value)


def _id(given: Any, start: int, row: Row, source: Source, at: int) -> str:
    """The row's own UUIDv7, else one made of its name for itself, else of its content and place."""
    own_id = _plain(given)
    if UUID7.fullmatch(own_id):
        return own_id
    if own_id:
        return event_id(start, source.name, own_id)
    return event_id(start, source.name, str(at), json.dumps(row, sort_keys=True, default=str))


def _metadata(rest: Row) -> dict[str, str]:
    kept = list(compact(rest).items())[:MAX_METADATA]
    return {
        str(name): value if isinstance(value, str) else json.dumps(value, default=str)
        for name, value in kept
    }


# --------------------------------------------------------------------- OpenAI


def openai(row: Row, source: Source, at: int) -> Iterable[Line]:
    """A logged call: {request, response}, a batch's line with its body, or {messages} of SFT data.

    https://platform.openai.com/docs/guides/batch: `custom_id`, `body`, `response.body`.
    """
    request = _object(row.get("request")) or _object(row.get("body"))
    response = _object(row.get("response"))
    response = _object(response.get("body")) or response
    messages = request.get("messages") or request.get("input") or row.get("messages")
    said = _said(response)
    if said is None and isinstance(messages, list) and _role(messages[-1:]) == "assistant":
        said, messages = messages[-1].get("content"), messages[:-1]
    if messages is None and said is None:
        raise BadRow("request", "neither messages nor an answer")
    usage = _object(response.get("usage"))
    error = row.get("error")
    start = microseconds(response.get("created") or response.get("created_at"), "created")
    given = {
        "id": row.get("custom_id") or response.get("id") or row.get("id"),
        "start_time": start or row.get("timestamp") or row.get("created_at"),
        "input": messages,
        "output": said,
        "model": response.get("model") or request.get("model"),
        "provider": "openai",
        "user_id": request.get("user"),
        "error": json.dumps(error) if error else "",
        "input_tokens": usage.get("prompt_tokens", usage.get("input_tokens")),
        "output_tokens": usage.get("completion_tokens", usage.get("output_tokens")),
    }
    line = _line(given, _object(request.get("metadata")), row, source, at)
    details = _object(usage.get("prompt_tokens_details") or usage.get("input_tokens_details"))
    if details.get("cached_tokens"):
        line["usage"]["input_cached"] = count(details["cached_tokens"], "cached_tokens")
    return [line]


def _said(response: Row) -> Any:
    """The first choice's message, or the output of the Responses API."""
    choices = response.get("choices")
    if isinstance(choices, list) and choices:
        message = _object(_object(choices[0]).get("message"))
        return message.get("content") or message.get("tool_calls") or choices[0].get("text")
    return response.get("output_text") or response.get("output")


def _role(messages: Sequence[Any]) -> str:
    return str(_object(messages[0]).get("role")) if messages else ""


def _object(value: Any) -> Mapping[str, Any]:
    found = parsed(value)
    return found if isinstance(found, Mapping) else {}


# ------------------------------------------------------------------- Langfuse

LANGFUSE_KINDS = {
    "GENERATION": "llm",
    "EMBEDDING": "embedding",
    "TOOL": "tool",
    "RETRIEVER": "retrieval",
    "AGENT": "agent",
}


def langfuse(row: Row, source: Source, at: int) -> Iterable[Line]:
    """An observation of Langfuse's API or export; or a trace with its `observations`."""
    observations = parsed(row.get("observations"))
    if not isinstance(observations, list):
        return [_observation(row, row, source, at)]
    whole = [{"traceId": row.get("id"), **one} for one in observations if isinstance(one, Mapping)]
    return [_observation(one, row, source, at) for one in whole]


def _observation(row: Row, trace: Row, source: Source, at: int) -> Line:
    usage = _object(row.get("usageDetails")) or _object(row.get("usage"))
    costs = _object(row.get("costDetails"))
    metadata = _object(row.get("metadata"))
    given = {
        "id": row.get("id"),
        "start_time": row.get("startTime"),
        "end_time": row.get("endTime"),
        "input": row.get("input"),
        "output": row.get("output"),
        "name": row.get("name"),
        "model": row.get("model") or row.get("providedModelName"),
        "trace_id": row.get("traceId"),
        "parent_id": row.get("parentObservationId"),
        "session_id": row.get("sessionId") or trace.get("sessionId"),
        "user_id": row.get("userId") or trace.get("userId"),
        "environment": row.get("environment"),
        "release": row.get("version") or trace.get("release"),
        "tags": row.get("tags") or trace.get("tags"),
        "cost": costs.get("total", row.get("calculatedTotalCost")),
        "error": row.get("statusMessage") if row.get("level") == "ERROR" else "",
        "status": "error" if row.get("level") == "ERROR" else "ok",
        "kind": LANGFUSE_KINDS.get(str(row.get("type", "")).upper(), "chain"),
        "input_tokens": usage.get("input", usage.get("promptTokens")),
        "output_tokens": usage.get("output", usage.get("completionTokens")),
    }
    line = _line(given, metadata, row, source, at)
    if row.get("id"):
        line["span_id"] = str(row["id"])
    prompt = {"prompt_name": row.get("promptName"), "prompt_version": row.get("promptVersion")}
    return line | {name: str(value) for name, value in compact(prompt).items()}


# -------------------------------------------------------------------- Phoenix

PHOENIX_KINDS = {
    "LLM": "llm",
    "EMBEDDING": "embedding",
    "TOOL": "tool",
    "RETRIEVER": "retrieval",
    "RERANKER": "retrieval",
    "AGENT": "agent",
}
A = "attributes."


def phoenix(row: Row, source: Source, at: int) -> Iterable[Line]:
    """A span of Phoenix's `get_spans_dataframe`: OpenInference attributes in dotted columns."""
    kind = str(row.get("span_kind") or row.get(A + "openinference.span.kind") or "").upper()
    status = str(row.get("status_code") or "").upper()
    given = {
        "id": row.get("context.span_id"),
        "span_id": row.get("context.span_id"),
        "trace_id": row.get("context.trace_id"),
        "parent_id": row.get("parent_id"),
        "name": row.get("name"),
        "kind": PHOENIX_KINDS.get(kind, "chain"),
        "start_time": row.get("start_time"),
        "end_time": row.get("end_time"),
        "input": _messages(row.get(A + "llm.input_messages")) or row.get(A + "input.value"),
        "output": _answer(row.get(A + "llm.output_messages")) or row.get(A + "output.value"),
        "context": row.get(A + "retrieval.documents"),
        "model": row.get(A + "llm.model_name"),
        "provider": row.get(A + "llm.provider"),
        "session_id": row.get(A + "session.id"),
        "user_id": row.get(A + "user.id"),
        "tags": row.get(A + "tag.tags"),
        "status": "error" if status == "ERROR" else "ok",
        "error": row.get("status_message") if status == "ERROR" else "",
        "input_tokens": row.get(A + "llm.token_count.prompt"),
        "output_tokens": row.get(A + "llm.token_count.completion"),
    }
    return [_line(given, _object(row.get(A + "metadata")), row, source, at)]


def _messages(value: Any) -> list[dict[str, Any]] | None:
    """OpenInference messages: `message.role`, `message.content` or `message.contents`."""
    found = parsed(value)
    if not isinstance(found, list) or not found:
        return None
    made = []
    for item in found:
        inner = _object(_object(item).get("message")) or _object(item)
        role = inner.get("message.role", inner.get("role", "user"))
        content = inner.get("message.content", inner.get("content"))
        made.append({"role": str(role), "content": content})
    return made


def _answer(value: Any) -> Any:
    messages = _messages(value)
    return messages[-1]["content"] if messages else None


# ------------------------------------------------------------------ detection

FORMATS: Mapping[str, Convert] = {
    "driftline": own,
    "table": table,
    "openai": openai,
    "langfuse": langfuse,
    "phoenix": phoenix,
}


def converted(name: str, row: Row, source: Source, at: int) -> list[Line]:
    """The lines of row `at` in the format `name`. Raises BadRow, whatever the row holds."""
    try:
        return [dict(line) for line in FORMATS[name](row, source, at)]
    except BadRow:
        raise
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
        words = f"not a row of the format {name}: {type(error).__name__}"
        raise BadRow("", words) from error


def detect(row: Row) -> str:
    """Which format a first row is in."""
    keys = row.keys()
    if "context.span_id" in keys or A + "openinference.span.kind" in keys:
        return "phoenix"
    if {"traceId", "type"} <= keys or "observations" in keys:
        return "langfuse"
    if row.get("type") in ("event", "score") or {"id", "start_time", "span_id"} <= keys:
        return "driftline"
    if "custom_id" in keys or isinstance(row.get("request"), Mapping):
        return "openai"
    if isinstance(row.get("messages"), list) and "output" not in keys:
        return "openai"
    return "table"
