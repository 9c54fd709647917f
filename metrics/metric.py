"""What a metric is: a pure function of one event, and a card that says what its number means.

    @metric(
        name="response_emoji_count", title="Emoji", formula="…", source="definition",
        needs="response", low=0.0, high=None, unit="emoji", lies="…",
    )
    def emoji_count(event: Event) -> Value:
        return Value(float(count(event.output)))

Metrics of other packages are found by the entry point group `driftline.metrics`: an entry names a
`Metric`, or a sequence of them. docs/metrics.md has a worked example.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from driftline.sdk.records import Event, TextSpan

METRIC_SET_VERSION = "1"
ENTRY_POINTS = "driftline.metrics"

Needs = Literal[
    "prompt", "response", "context", "prompt and response", "prompt and context",
    "response and context", "token log-probabilities",
    "the whole event",
]  # fmt: skip
Cost = Literal["microseconds", "milliseconds", "a language model pass", "with another metric"]


@dataclass(frozen=True, slots=True)
class Card:
    """One metric. `low` and `high` bound its values (None: unbounded).

    default: whether it is computed unless a project says otherwise. version: changes whenever the
    value of the same event could; values of different versions are never mixed.
    """

    name: str
    title: str
    formula: str
    source: str
    needs: Needs
    low: float | None
    high: float | None
    unit: str
    lies: str
    cost: Cost = "microseconds"
    version: str = METRIC_SET_VERSION
    default: bool = True


@dataclass(frozen=True, slots=True)
class Value:
    """What a metric found. `value` is None where it cannot be computed: `explanation` says why."""

    value: float | None
    explanation: str = ""
    label: str = ""
    spans: tuple[TextSpan, ...] = ()
    stats: Mapping[str, float] = field(default_factory=dict)


Compute = Callable[[Event], Value]


@dataclass(frozen=True, slots=True)
class Metric:
    """A card and its function: pure, of one event, safe on any Unicode, linear in the text."""

    card: Card
    compute: Compute

    def __call__(self, event: Event) -> Value:
        return self.compute(event)


def metric(
    *,
    name: str,
    title: str,
    formula: str,
    needs: Needs,
    lies: str,
    source: str = "definition",
    low: float | None = None,
    high: float | None = None,
    unit: str = "1",
    cost: Cost = "microseconds",
    version: str = METRIC_SET_VERSION,
    default: bool = True,
) -> Callable[[Compute], Metric]:
    """Make a function a metric."""
    card = Card(name, title, formula, source, needs, low, high, unit, lies, cost, version, default)
    return lambda compute: Metric(card, compute)
