"""The cost of an event: its sender's word, else the project's own price, else the public list's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from driftline.sdk.records import Price

from . import prices

PRICED_KINDS = frozenset({"llm", "embedding"})
Source = Literal["", "sender", "project", "list"]


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars, and who says so; None and "" when nobody knows the price."""

    dollars: float | None
    source: Source


UNKNOWN = Cost(None, "")


def computed(
    provider: str, model: str, usage: Mapping[str, int], at: datetime, own: Sequence[Price]
) -> Cost:
    """What a call at `at` costs by the project's own prices, else by the public list."""
    if not model or not (usage.get("input") or usage.get("output")):
        return UNKNOWN
    rates = prices.own_rates(own, provider, model) if own else None
    source: Source = "project" if rates else "list"
    rates = rates or prices.public().rates(provider, model, at)
    dollars = rates.cost(usage) if rates else None
    return UNKNOWN if dollars is None else Cost(dollars, source)
