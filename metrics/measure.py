"""One metric of one event as a row to store, whatever the metric's function does.

A function of another package may raise, or return what no column holds; that costs its own value
of that event (None, with the words why) and nothing else.
"""

from __future__ import annotations

import math

from driftline.sdk.choice import range_words
from driftline.sdk.records import Event, Score, TextSpan

from .metric import Card, Metric, Value
from .text import well_formed

MAX_WORDS = 300  # characters of an explanation or a label
MAX_SPANS = 200
MAX_STATS = 50
ROUNDING = 1e-9  # a sum may miss its bound by so much; beyond, the metric or its card is wrong


class Unusable(ValueError):
    """What a metric returned cannot be stored; the message says why."""


def measured(metric: Metric, event: Event) -> Score:
    """The metric's value of the event; None with an explanation where there is none."""
    try:
        return _score(metric.card, event, metric(event))
    except Exception as error:
        words = str(error) if isinstance(error, Unusable) else f"{type(error).__name__}: {error}"
        return without(metric.card, event, words)


def without(card: Card, event: Event, explanation: str) -> Score:
    """A row that says why there is no value."""
    return Score(
        event.id, card.name, None, explanation=_words(explanation), metric_version=card.version
    )


def _score(card: Card, event: Event, found: Value) -> Score:
    """Raises Unusable, or what any wrong type raises."""
    if not isinstance(found, Value):
        raise Unusable(f"the metric returned {type(found).__name__}, not a Value")
    return Score(
        event.id,
        card.name,
        None if found.value is None else _number(card, found.value),
        label=_words(found.label),
        explanation=_words(found.explanation or ("" if found.value is not None else "no value")),
        spans=[_span(span) for span in found.spans[:MAX_SPANS]],
        stats={str(name): _finite(number) for name, number in _few(found).items()},
        metric_version=card.version,
    )


def _number(card: Card, value: float) -> float:
    number = _finite(value)
    low = -math.inf if card.low is None else card.low
    high = math.inf if card.high is None else card.high
    within = min(max(number, low), high)
    if abs(number - within) > ROUNDING * max(1.0, abs(within)):
        raise Unusable(
            f"{number:g} is outside of the card's range, {range_words(card.low, card.high)}"
        )
    return within


def _finite(value: float) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise Unusable(f"the metric's number is not finite ({number})")
    return number


def _few(found: Value) -> dict[str, float]:
    if len(found.stats) > MAX_STATS:
        raise Unusable(f"the metric has more than {MAX_STATS} stats")
    return dict(found.stats)


def _span(span: TextSpan) -> TextSpan:
    return TextSpan(int(span.start), int(span.end), _finite(span.score), _words(span.label))


def _words(text: str) -> str:
    return well_formed(str(text))[:MAX_WORDS]
