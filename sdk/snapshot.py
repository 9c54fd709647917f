"""A cheap, bounded copy of what the app passed, made on the caller's thread.

The app may change a list of messages after the call, so lists and dictionaries are copied; texts
are immutable and only referenced (or cut). Objects (pydantic models, dataclasses) are referenced
and become JSON on the sender's thread, by `plain`. An object of an unknown kind is recorded as its
type's name: its `repr` may be huge, slow, or query a database.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import sys
from collections.abc import Iterable, Mapping
from typing import Any

MAX_FIELD_BYTES = 1 << 20
MAX_DEPTH = 24
MAX_NODES = 20_000  # 2 ms on the caller's thread at worst
MAX_DATA_URL = 4096  # an inlined image says nothing to a text metric
TEXTUAL = (("pathlib", "PurePath"), ("uuid", "UUID"), ("decimal", "Decimal"))
OBJECT_BYTES = 256  # what an object that is not looked into counts


@dataclasses.dataclass(slots=True)
class Snapshot:
    """A copied value, its size in bytes (estimated) and how many characters the original had.

    `cut` says whether something is missing.
    """

    value: object
    size: int
    characters: int
    cut: bool


def snapshot(value: object, budget: int = MAX_FIELD_BYTES) -> Snapshot:
    """Copy `value`, keeping at most `budget` bytes of text."""
    if type(value) is str and len(value) * 4 <= budget and not value.startswith("data:"):
        return Snapshot(value, len(value), len(value), False)
    walk = _Walk(budget)
    copied = walk.copy(value, 0)
    return Snapshot(copied, budget - walk.left, walk.characters, walk.cut)


def plain(value: object) -> object:
    """An object that JSON does not know, as values that it does. Runs on the sender's thread."""
    try:
        return snapshot(_unwrap(value)).value
    except Exception:  # the app's own code (a model's serialiser): record what it was
        return _type_name(value)


class _Walk:
    """One copy in progress: the bytes and nodes that are left."""

    def __init__(self, budget: int) -> None:
        self.left = budget
        self.nodes = MAX_NODES
        self.characters = 0
        self.cut = False

    def copy(self, value: object, depth: int) -> object:
        kind = type(value)
        if kind is str:
            return self._text(value)  # type: ignore[arg-type]
        if value is None or kind is bool or kind is int:
            return value
        if kind is float:
            return value if math.isfinite(value) else None  # type: ignore[arg-type]
        if depth > MAX_DEPTH or self.nodes <= 0:
            self.cut = True
            return "…"
        if isinstance(value, dict):
            return self._mapping(value, depth)
        if isinstance(value, (list, tuple, set, frozenset)):
            return self._items(value, depth)
        self.left -= OBJECT_BYTES
        return _atom(value)

    def _text(self, text: str) -> str:
        self.characters += len(text)
        if len(text) > MAX_DATA_URL and text.startswith("data:"):
            text = f"{text[:64]}… ({len(text)} characters)"
        kept = cut_text(text, max(self.left, 0))
        self.left -= len(kept) if kept.isascii() else len(kept.encode("utf-8", "replace"))
        self.cut = self.cut or len(kept) < len(text)
        return kept

    def _items(self, values: Iterable[object], depth: int) -> list[object]:
        out = []
        for value in tuple(values):
            if not self._room():
                break
            out.append(self.copy(value, depth + 1))
        return out

    def _mapping(self, values: Mapping[object, object], depth: int) -> dict[str, object]:
        out = {}
        for key, value in tuple(values.items()):
            if not self._room():
                break
            out[self._key(key)] = self.copy(value, depth + 1)
        return out

    def _key(self, key: object) -> str:
        text = key if type(key) is str else str(_atom(key))
        self.left -= len(text)
        return text if len(text) <= MAX_DATA_URL else text[:MAX_DATA_URL]

    def _room(self) -> bool:
        self.nodes -= 1
        self.left -= 8
        if self.nodes > 0 and self.left > -(64 << 10):
            return True
        self.cut = True
        return False


def cut_text(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8 from the start of `text`, on a character's boundary."""
    if len(text) * 4 <= limit or (len(text) <= limit and text.isascii()):
        return text
    if text.isascii():
        return text[:limit]
    data = text[:limit].encode("utf-8", "replace")
    return data[:limit].decode("utf-8", "ignore") if len(data) > limit else text[:limit]


def _atom(value: object) -> object:
    """A small immutable value as JSON; a larger object stays what it is until `plain`."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    if isinstance(value, str):
        return str.__str__(value)
    return value


def _unwrap(value: Any) -> object:
    """One layer off an object: a model's fields, an enum's value, a date's text."""
    for method, keywords in (("model_dump", {"mode": "json"}), ("isoformat", {}), ("_asdict", {})):
        call = getattr(value, method, None)
        if callable(call) and not isinstance(value, type):
            return call(**keywords)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        return value.item()  # a NumPy or torch scalar
    return _named(value)


def _named(value: Any) -> object:
    if isinstance(value, enum.Enum):
        return value.value
    if any(isinstance(value, _loaded(module, name)) for module, name in TEXTUAL):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    return _type_name(value)


def _loaded(module: str, name: str) -> type | tuple[()]:
    """A class of a module that the app has imported; nothing is imported for it (see transport)."""
    found: type | tuple[()] = getattr(sys.modules.get(module), name, ())
    return found


def _type_name(value: object) -> str:
    return f"<{type(value).__module__}.{type(value).__qualname__}>"
