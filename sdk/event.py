"""What the SDK sends: events and scores, filled on the app's thread, made JSON on the sender's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from .encode import Dumps
from .fields import MAPS, TEXTS, check
from .snapshot import MAX_FIELD_BYTES, snapshot

Redact = Callable[[dict[str, object]], dict[str, object]]

OVERHEAD_BYTES = 400  # ids, times and names of a line, estimated
MAX_TEXT_BYTES = 4096  # of a name, a model, an id; error texts may have MAX_ERROR_BYTES
MAX_ERROR_BYTES = 16 << 10
MAX_TAGS = 100
# Texts of at most so many characters are kept as they are, without a closer look.
QUICK = dict.fromkeys(TEXTS, MAX_TEXT_BYTES // 4) | dict.fromkeys(
    ("input", "output"), MAX_FIELD_BYTES // 4
)


class Line(Protocol):
    """One JSON line to be."""

    size: int  # bytes, estimated, for the queue's bound

    def encode(self, dumps: Dumps) -> bytes:
        """The line, without its newline. Raises ValueError or TypeError when it has no JSON."""


class Event:
    """One span. Owned by one thread until it is submitted, and not changed after that."""

    __slots__ = (
        *("end_us", "id", "parent_id", "redact", "size", "start_us", "trace_id", "values"),
        "weight",
    )

    def __init__(
        self,
        id: str,
        trace_id: str,
        parent_id: str,
        start_us: int,
        weight: float = 1.0,
        redact: Redact | None = None,
    ) -> None:
        self.id = id
        self.trace_id = trace_id
        self.parent_id = parent_id
        self.start_us = start_us
        self.end_us: int | None = None
        self.weight = weight
        self.redact = redact
        self.values: dict[str, object] = {}
        self.size = OVERHEAD_BYTES

    def update(self, fields: Mapping[str, object]) -> None:
        """Set several fields; None leaves a field as it is.

        Raises ValueError about a wrong one, after the others are set.
        """
        wrong: Exception | None = None
        for name, value in fields.items():
            if type(value) is str and len(value) <= QUICK.get(name, -1) and value[:5] != "data:":
                self.values[name] = value
                self.size += len(value)
                continue
            try:
                if value is not None:
                    check(name, value)
                    self._set(name, value)
            except Exception as error:
                wrong = error
        if wrong is not None:
            raise wrong

    def _set(self, name: str, value: object) -> None:
        if name == "kind":
            self.values[name] = value
        elif name in TEXTS:
            limit = MAX_ERROR_BYTES if name == "error" else MAX_TEXT_BYTES
            self._keep(name, str(value), limit)
        elif name in MAPS:
            self._merge(name, value)
        elif name == "tags":
            self._tag(value)
        elif name == "context" and isinstance(value, str):
            self._keep(name, [value])
        else:
            self._keep(name, value)

    def _keep(self, name: str, value: object, budget: int = 0) -> None:
        taken = snapshot(value, budget) if budget else snapshot(value)
        self.values[name] = taken.value
        self.size += taken.size
        if taken.cut and not budget:
            self._merge("truncated", {name: taken.characters})

    def _merge(self, name: str, value: object) -> None:
        taken = snapshot(value)
        if not taken.value:
            return
        merged = self.values.setdefault(name, {})
        if isinstance(merged, dict) and isinstance(taken.value, dict):
            merged.update(taken.value)
            self.size += taken.size

    def _tag(self, value: object) -> None:
        given = [value] if isinstance(value, str) else list(_sequence(value))
        tags = self.values.setdefault("tags", [])
        if isinstance(tags, list):
            fresh = [str(tag)[:MAX_TEXT_BYTES] for tag in given[:MAX_TAGS]]
            tags.extend(tag for tag in fresh if tag not in tags)
            del tags[MAX_TAGS:]
            self.size += sum(map(len, fresh))

    def encode(self, dumps: Dumps) -> bytes:
        line: dict[str, object] = {"type": "event", "id": self.id, "trace_id": self.trace_id}
        if self.parent_id:
            line["parent_id"] = self.parent_id
        line["start_time"] = self.start_us
        if self.end_us is not None:
            line["end_time"] = self.end_us
        if self.weight != 1.0:
            line["sample_weight"] = self.weight
        values = self.values if self.redact is None else self.redact(self.values)
        line.update(values)
        metadata = values.get("metadata")
        if isinstance(metadata, dict):
            line["metadata"] = {key: _as_text(value, dumps) for key, value in metadata.items()}
        return dumps(line)


class ScoreLine:
    """A score that the app or a person gives to an event."""

    __slots__ = ("event_id", "explanation", "label", "name", "redact", "size", "source", "value")

    def __init__(
        self,
        event_id: str,
        name: str,
        value: float | None,
        label: str = "",
        explanation: str = "",
        source: str = "app",
        redact: Redact | None = None,
    ) -> None:
        self.event_id = event_id
        self.name = name
        self.value = value
        self.label = label
        self.explanation = explanation
        self.source = source
        self.redact = redact
        self.size = OVERHEAD_BYTES + len(label) + len(explanation)

    def encode(self, dumps: Dumps) -> bytes:
        texts: dict[str, object] = {"label": self.label, "explanation": self.explanation}
        line = {
            "type": "score",
            "event_id": self.event_id,
            "name": self.name,
            "value": self.value,
            **(texts if self.redact is None else self.redact(texts)),
            "source": self.source,
        }
        return dumps({key: value for key, value in line.items() if value != ""})


def _as_text(value: object, dumps: Dumps) -> str:
    """A metadata value: texts stay, anything else is its JSON."""
    return value if isinstance(value, str) else dumps(value).decode()


def _sequence(value: object) -> Sequence[object]:
    if isinstance(value, (list, tuple, set, frozenset)):
        return tuple(value)
    raise ValueError("tags must be a list of strings")
