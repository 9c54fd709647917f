"""Reading Anthropic's messages: the request, the answer, and the events of a streamed answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .fields import Kind, NamedFields
from .reading import counts, get, given, parameters

PARAMETERS = (
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "thinking",
    "tools",
    "tool_choice",
    "service_tier",
    "stream",
)


class MessagesReader:
    """`messages.create`, `.parse` and `.stream`."""

    operation = "messages"
    kind: Kind = "llm"

    def request(self, kwargs: Mapping[str, Any]) -> NamedFields:
        model = given(kwargs, "model")
        return {
            "name": f"messages {model}",
            "model": model,
            "input": _input(given(kwargs, "system"), given(kwargs, "messages")),
            "user_id": get(given(kwargs, "metadata"), "user_id"),
            "metadata": parameters(kwargs, PARAMETERS),
        }

    def answer(self, result: object) -> NamedFields:
        return _fields(
            result,
            get(result, "content") or [],
            get(result, "stop_reason"),
            usage(get(result, "usage")),
        )

    def chunks(self) -> MessageChunks:
        return MessageChunks()


class MessageChunks:
    """A streamed message, put together again."""

    def __init__(self) -> None:
        self._started: object = None
        self._reason: object = None
        self._usage: dict[str, int] = {}
        self._blocks: dict[int, dict[str, Any]] = {}

    def add(self, chunk: object) -> bool:
        kind = get(chunk, "type")
        if kind == "message_start":
            self._started = get(chunk, "message")
            self._usage = usage(get(self._started, "usage"))
        elif kind == "message_delta":
            self._reason = get(chunk, "delta", "stop_reason") or self._reason
            self._count(get(chunk, "usage"))
        elif kind == "content_block_start":
            block = get(chunk, "content_block")
            names = ("type", "text", "thinking", "id", "name")
            self._blocks[get(chunk, "index")] = {name: get(block, name) for name in names}
        elif kind == "content_block_delta":
            return self._extend(get(chunk, "index"), get(chunk, "delta"))
        return False

    def _count(self, later: object) -> None:
        """The last event's counts are the whole message's; it may leave the input's out."""
        self._usage |= (
            usage(later)
            if get(later, "input_tokens")
            else counts(output=get(later, "output_tokens"))
        )

    def _extend(self, index: int, delta: object) -> bool:
        block = self._blocks.setdefault(index, {})
        for name in ("text", "thinking", "partial_json"):
            part = get(delta, name)
            if isinstance(part, str):
                block[name] = (block.get(name) or "") + part
                return bool(part)
        return False

    def fields(self) -> NamedFields:
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        return _fields(self._started, blocks, self._reason, self._usage)


def _fields(
    message: object, blocks: Sequence[object], reason: object, tokens: dict[str, int]
) -> NamedFields:
    named = {"response_id": get(message, "id"), "finish_reason": reason}
    return {
        "model": get(message, "model"),
        "output": _output(blocks),
        "usage": tokens,
        "metadata": {name: value for name, value in named.items() if value},
    }


def _input(system: object, messages: object) -> object:
    """The messages; the system prompt comes first. An iterator is the app's to consume."""
    if not isinstance(messages, (list, tuple)):
        return None
    return [{"role": "system", "content": system}, *messages] if system else messages


def _output(blocks: Sequence[object]) -> object:
    """What the model said: a text; with tool calls or thoughts an object."""
    text = _joined(blocks, "text")
    thought = _joined(blocks, "thinking")
    calls = [_call(block) for block in blocks if "tool_use" in str(get(block, "type"))]
    if not thought and not calls:
        return text
    named = {"thinking": thought, "tool_calls": calls}
    said = {"role": "assistant", "content": text}
    return {**said, **{name: value for name, value in named.items() if value}}


def _joined(blocks: Sequence[object], name: str) -> str:
    texts = [get(block, name) for block in blocks]
    return "".join(text for text in texts if isinstance(text, str))


def _call(block: object) -> dict[str, object]:
    """A tool call, flat, its arguments as JSON (as OpenAI's are)."""
    arguments = get(block, "partial_json")
    if arguments is None:
        arguments = json.dumps(get(block, "input") or {}, default=str, ensure_ascii=False)
    return {"id": get(block, "id"), "name": get(block, "name"), "arguments": arguments}


def usage(given: object) -> dict[str, int]:
    """Tokens. Anthropic's `input_tokens` leaves out what was read from and written to its cache."""
    read = get(given, "cache_read_input_tokens") or 0
    fresh = get(given, "input_tokens")
    written = get(given, "cache_creation_input_tokens") or 0
    return counts(
        input=fresh + read + written if isinstance(fresh, int) else None,
        output=get(given, "output_tokens"),
        input_cached=read or None,
        input_cache_write=written or None,
        reasoning=get(given, "output_tokens_details", "thinking_tokens"),
    )


READER = MessagesReader()
