"""Decision patterns of a window of events: which labels, which tools, how often it flips.

Pure functions for notebooks on exported events; docs/descriptors.md has an example.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from driftline.sdk.records import Event

Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Share:
    """`count` of `n`, with the 95 % Wilson interval of the share."""

    count: int
    n: int
    share: float
    low: float
    high: float


def share(count: int, n: int) -> Share:
    """Raises ValueError unless 0 <= count <= n and n > 0."""
    if not 0 <= count <= n or n == 0:
        raise ValueError(f"{count} of {n} is no share")
    part, square = count / n, Z_95**2
    middle = (part + square / (2 * n)) / (1 + square / n)
    half = Z_95 / (1 + square / n) * math.sqrt(part * (1 - part) / n + square / (4 * n * n))
    return Share(
        count, n, part, min(part, max(0.0, middle - half)), max(part, min(1.0, middle + half))
    )


def label_mix(labels: Iterable[str]) -> dict[str, Share]:
    """The share of each label, most frequent first; {} of nothing."""
    counts = Counter(labels)
    total = counts.total()
    return {label: share(count, total) for label, count in counts.most_common()}


def tool_mix(events: Iterable[Event]) -> dict[str, Share]:
    """The share of each tool among the events of kind `tool`, by the event's name."""
    return label_mix(event.name for event in events if event.kind == "tool")


def mix_distance(first: Mapping[str, Share], second: Mapping[str, Share]) -> float | None:
    """Total variation between two mixes, 0 (the same) … 1; None when one of them is empty."""
    if not first or not second:
        return None
    labels = first.keys() | second.keys()
    return sum(abs(_part(first, label) - _part(second, label)) for label in labels) / 2


def _part(mix: Mapping[str, Share], label: str) -> float:
    return mix[label].share if label in mix else 0.0


def flip_rate(decisions: Sequence[tuple[Hashable, str]]) -> Share | None:
    """How often two decisions in a row about the same thing differ.

    decisions: (what it is about, the label), in the order in which they were made. For the same
    prompt asked again the key is the prompt. None where nothing was decided twice.
    """
    in_order: defaultdict[Hashable, list[str]] = defaultdict(list)
    for key, label in decisions:
        in_order[key].append(label)
    pairs = [pair for labels in in_order.values() for pair in pairwise(labels)]
    return share(sum(a != b for a, b in pairs), len(pairs)) if pairs else None
