"""Places in a text: [start, end) in characters with a kind, made free of overlaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from driftline.metrics.metric import Value
from driftline.sdk.records import TextSpan

MAX_SPANS = 200  # kept of one text; the count is of all

Finder = Callable[[str], Iterator[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class Place:
    start: int
    end: int
    kind: str


def find(finders: Mapping[str, Finder], text: str) -> list[Place]:
    """What the finders find, in the order of the text; of two that overlap, the earlier finder's
    stays."""
    found: list[tuple[int, Place]] = [
        (rank, Place(start, end, kind))
        for rank, (kind, finder) in enumerate(finders.items())
        for start, end in finder(text)
    ]
    return disjoint(found)


def disjoint(found: Iterable[tuple[int, Place]]) -> list[Place]:
    """Lower ranks first, longer ones first among them; what overlaps one that is in falls out."""
    kept: list[Place] = []
    taken = bytearray()
    order = sorted(found, key=lambda item: (item[0], item[1].start - item[1].end, item[1].start))
    for _, place in order:
        if place.end > len(taken):
            taken.extend(bytes(place.end - len(taken)))
        if place.end > place.start and not any(taken[place.start : place.end]):
            taken[place.start : place.end] = b"\1" * (place.end - place.start)
            kept.append(place)
    return sorted(kept, key=lambda place: place.start)


def counted(places: list[Place], nothing: str) -> Value:
    """Their number; the label names the kinds, and nothing of the text is repeated anywhere."""
    kinds = Counter(place.kind for place in places)
    told = ", ".join(f"{kind}: {count}" for kind, count in sorted(kinds.items()))
    return Value(
        float(len(places)),
        explanation=told or nothing,
        label=",".join(sorted(kinds)),
        spans=tuple(TextSpan(p.start, p.end, 1.0, p.kind) for p in places[:MAX_SPANS]),
    )
