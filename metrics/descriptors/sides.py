"""Descriptors of one side of an event: a function of a text becomes a metric.

A call that failed without output has no response; an empty response is a text of no words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from driftline.metrics.metric import Card, Cost, Metric, Needs, Value
from driftline.metrics.prompt import prompt_text
from driftline.sdk.records import Event

Side = Literal["prompt", "response"]
Describe = Callable[[str], Value | float | None]

NO_RESPONSE = Value(None, "no response")


def text_of(event: Event, side: Side) -> str | None:
    """The text of a side; None where the call failed before it answered."""
    if side == "prompt":
        return prompt_text(event)
    return None if event.status == "error" and not event.output else event.output


def descriptor(
    name: str,
    title: str,
    describe: Describe,
    *,
    formula: str,
    lies: str,
    source: str = "definition",
    side: Side = "response",
    low: float | None = 0.0,
    high: float | None = None,
    unit: str = "1",
    none: str = "too little text",
    needs: Needs | None = None,
    cost: Cost = "microseconds",
    default: bool = False,
) -> Metric:
    """The metric `{side}_{name}`: `describe` of the side's text. `none` says why it gave None."""
    card = Card(
        f"{side}_{name}", title, formula, source, needs or side, low, high, unit, lies, cost,
        default=default,
    )  # fmt: skip

    def compute(event: Event) -> Value:
        text = text_of(event, side)
        return NO_RESPONSE if text is None else as_value(describe(text), none)

    return Metric(card, compute)


def as_value(found: Value | float | None, none: str) -> Value:
    if isinstance(found, Value):
        return found
    return Value(None, none) if found is None else Value(float(found))
