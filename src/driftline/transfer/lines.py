"""One event as a line of the wire (docs/api.md), which is also the line of an export."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from driftline.sdk import records as r

Line = dict[str, Any]

# The collector makes these itself; an import leaves them out.
DERIVED = frozenset({"project", "latency_ms", "ingested_at", "cost_source", "scores"})
SENDER_SOURCES = frozenset({"app", "human", "judge"})
SCORE_FIELDS = ("event_id", "name", "value", "label", "explanation", "spans", "source")


def exported(event: r.Event, scores: Iterable[r.Score]) -> Line:
    """All fields of a stored event, with its scores."""
    line: Line = {"type": "event", **r.encode(event)}
    line["scores"] = [r.encode(score) for score in scores]
    return line


def wire_lines(line: Mapping[str, Any]) -> Iterable[Line]:
    """What is sent to store an exported line again: the event, then the scores of its senders.

    Costs that the collector computed are left to it, and so are the workers' scores.
    """
    event = {name: value for name, value in line.items() if name not in DERIVED}
    if line.get("cost_source", "sender") not in ("sender", ""):
        event.pop("cost", None)
    yield {name: value for name, value in event.items() if value is not None}
    for score in line.get("scores") or ():
        if score.get("source") in SENDER_SOURCES:
            kept = {name: score.get(name) for name in SCORE_FIELDS}
            yield {"type": "score"} | {k: v for k, v in kept.items() if v not in (None, "", [])}


def event_id(microseconds: int, *parts: str) -> str:
    """A UUIDv7 (RFC 9562) of a time and a hash of `parts`: the same row has the same id always."""
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
    random = int.from_bytes(digest[:10])
    low, high = random & ((1 << 62) - 1), (random >> 62) & 0xFFF
    return str(
        uuid.UUID(int=(microseconds // 1000) << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)
    )
