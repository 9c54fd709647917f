"""The spans of a trace as rows over its time: how deep, from when, for how long."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from driftline.sdk import records as r

from .markup import Span
from .wording import milliseconds, one_line

NAME_CHARACTERS = 60


def label(event: r.Event) -> str:
    """What a span is, in a line."""
    return f"{event.kind} · {one_line(event.name or event.model or event.id, NAME_CHARACTERS)}"


def rows(events: Sequence[r.Event], chosen: int, first: int = 1) -> list[Span]:
    """A row for every span; `chosen` is the index of the one that is open, `first` the number of
    the first one in its trace.
    """
    depth = depths(events)
    starts = [datetime.fromisoformat(event.start_time).timestamp() for event in events]
    begin = min(starts, default=0.0)
    ends = [at + e.latency_ms / 1000 for at, e in zip(starts, events, strict=True)]
    whole = max(max(ends, default=0.0) - begin, 1e-6)
    return [
        Span(
            label=f"{first + n}  {label(event)}",
            depth=depth[event.span_id],
            orphan=bool(event.parent_id) and event.parent_id not in depth,
            start=(at - begin) / whole,
            width=event.latency_ms / 1000 / whole,
            took=milliseconds(event.latency_ms),
            failed=event.status != "ok",
            chosen=n == chosen,
        )
        for n, (event, at) in enumerate(zip(events, starts, strict=True))
    ]


def depths(events: Sequence[r.Event]) -> dict[str, int]:
    """How deep each span lies below its trace's root; a circle of parents ends where it began."""
    parent = {event.span_id: event.parent_id for event in events}

    def depth(span: str) -> int:
        seen = {span}
        while (above := parent.get(span, "")) in parent and above not in seen:
            seen.add(above)
            span = above
        return len(seen) - 1

    return {span: depth(span) for span in parent}
