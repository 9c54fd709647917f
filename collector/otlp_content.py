"""What went into a model and what came out of it, from every way of saying it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from . import otlp_aliases as aliases
from .event import Chat
from .otlp_request import Attributes, Span

Json = Any

INDEX = re.compile(r"(\d{1,4})\.(.+)")
PART_TEXTS = ("text", "content", "message_content.text")


def parsed(value: Json) -> Json:
    """A text that is a JSON object or list as what it says; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def text_of(value: Json) -> str:
    """Any value as one text."""
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value, default=str).decode()


def indexed(attributes: Attributes, prefix: str) -> list[dict[str, Json]]:
    """`prefix0.a`, `prefix0.b`, `prefix1.a` … as one object an index, in order."""
    found: dict[int, dict[str, Json]] = {}
    for name, value in attributes.items():
        if name.startswith(prefix) and (match := INDEX.fullmatch(name[len(prefix) :])):
            found.setdefault(int(match[1]), {})[match[2]] = value
    return [found[index] for index in sorted(found)]


def messages_in(span: Span) -> list[Chat]:
    """The prompt: messages where they are told apart, else one message of a user."""
    system = _chats(span.attributes.get(aliases.SYSTEM), "system")
    for prefix in aliases.INDEXED_INPUT:
        if rows := indexed(span.attributes, prefix):
            return system + [_indexed_chat(row, "user") for row in rows]
    if told := _from_events(span, aliases.MESSAGE_EVENTS):
        return system + told
    for value in _values(span, aliases.INPUT, "input"):
        return system + _chats(value, "user")
    return system


def text_out(span: Span) -> str:
    """The answer: its text, else its tool calls as JSON."""
    langfuse = span.attributes.get(aliases.OUTPUT[0])
    if langfuse is not None:
        return _answer(langfuse)
    for prefix in aliases.INDEXED_OUTPUT:
        if rows := indexed(span.attributes, prefix):
            return "\n".join(_indexed_chat(row, "assistant").content for row in rows)
    choices = [e.attributes for e in span.events if e.name == aliases.CHOICE_EVENT]
    if choices:
        return "\n".join(_choice(choice) for choice in choices)
    for value in _values(span, aliases.OUTPUT, "output"):
        return _answer(value)
    return ""


def documents(attributes: Attributes) -> list[str]:
    """The retrieved texts."""
    for prefix in aliases.DOCUMENTS:
        if rows := indexed(attributes, prefix):
            contents = (row.get("document.content", row.get("content")) for row in rows)
            return [text_of(content) for content in contents if content is not None]
    for name in aliases.DOCUMENT_LISTS:
        listed = parsed(attributes.get(name))
        if isinstance(listed, list):
            return [_part(item) for item in listed]
    return []


def _values(span: Span, names: Sequence[str], side: str) -> Iterable[Json]:
    """Each value that is there: of attributes, then of events that carry the content."""
    for name in names:
        if span.attributes.get(name) not in (None, ""):
            yield span.attributes[name]
    for event in span.events:
        kind, name = aliases.CONTENT_EVENTS.get(event.name, ("", ""))
        if kind == side and event.attributes.get(name):
            yield event.attributes[name]
        if event.name == aliases.DETAILS_EVENT:
            yield from (event.attributes[n] for n in names if event.attributes.get(n))


def _chats(value: Json, role: str) -> list[Chat]:
    """Messages from a list of them (or an object that holds it); else one message."""
    said = parsed(value)
    if isinstance(said, Mapping) and isinstance(said.get("messages"), list):
        said = said["messages"]
    if isinstance(said, list) and said and all(_is_message(item) for item in said):
        return [Chat(str(item.get("role", role))[:64], _content(item)) for item in said]
    if isinstance(said, list) and said and all(_is_part(item) for item in said):
        return [Chat(role, "\n".join(map(_part, said)))]
    text = text_of(value)
    return [Chat(role, text)] if text else []


def _is_message(item: Json) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get("role"), str)


def _is_part(item: Json) -> bool:
    return isinstance(item, Mapping) and ("type" in item or "content" in item)


def _content(message: Mapping[str, Json]) -> str:
    """`content`, or `parts` as GenAI has them; of a call of tools, the calls."""
    content = message.get("content")
    if content is None:
        content = message.get("parts")
    if isinstance(content, list):
        return "\n".join(filter(None, map(_part, content)))
    if content in (None, ""):
        rest = {k: v for k, v in message.items() if k not in ("role", "content") and v}
        return text_of(rest) if rest else ""
    return text_of(content)


def _part(part: Json) -> str:
    if isinstance(part, Mapping):
        for name in PART_TEXTS:
            if isinstance(part.get(name), str) and part.get("type", "text") == "text":
                return str(part[name])
    return text_of(part)


def _indexed_chat(row: Mapping[str, Json], role: str) -> Chat:
    """`role` and `content`, with or without `message.`; contents and tool calls are gathered."""
    plain = {name.removeprefix("message."): value for name, value in row.items()}
    content = text_of(parsed_parts(plain.get("content")))
    if not content:
        content = "\n".join(
            text_of(part.get("message_content.text"))
            for part in indexed(plain, "contents.")
            if part.get("message_content.text") is not None
        )
    calls = {name: value for name, value in plain.items() if "tool_call" in name}
    said = text_of(plain.get("role") or role)
    return Chat(said[:64], content or (text_of(calls) if calls else ""))


def parsed_parts(content: Json) -> Json:
    """Content that is a JSON list of parts as their text."""
    value = parsed(content)
    if isinstance(value, list) and value and all(_is_part(item) for item in value):
        return "\n".join(filter(None, map(_part, value)))
    return content


def _from_events(span: Span, roles: Mapping[str, str]) -> list[Chat]:
    told = []
    for event in span.events:
        if event.name in roles:
            body = event.attributes
            told.append(Chat(text_of(body.get("role") or roles[event.name])[:64], _content(body)))
    return told


def _choice(choice: Attributes) -> str:
    message = parsed(choice.get("message"))
    return _content(message) if isinstance(message, Mapping) else _content(choice)


def _answer(value: Json) -> str:
    """Of messages the text of the last ones; of one message its content; else the value."""
    said = parsed(value)
    if isinstance(said, Mapping) and _is_message(said):
        return _content(said)
    if isinstance(said, list) and said and all(_is_message(item) for item in said):
        return "\n".join(filter(None, (_content(item) for item in said)))
    return text_of(value)
