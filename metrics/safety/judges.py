"""A judge reads a text and says how likely it is what it looks for; metrics are made of judges.

Of several texts of an event the likeliest counts. `linear` has the judges that ship, `transformer`
makes one of an operator's model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from driftline.metrics.metric import Compute, Cost, Value
from driftline.sdk.records import Event, TextSpan


@dataclass(frozen=True, slots=True)
class Reading:
    """What a judge says of a text, whether it flags it, and the places that spoke for it."""

    probability: float
    flagged: bool
    evidence: tuple[TextSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class Judge:
    """What reads a text; `name`, `source` and `version` say which model it is.

    lies: when this model is wrong, beyond what makes any model of its task wrong. cost and default
    are those of the metrics' cards.
    """

    read: Callable[[str], Reading]
    name: str
    source: str
    version: str
    lies: str
    cost: Cost
    default: bool = True


@dataclass(frozen=True, slots=True)
class Said:
    """A text of an event; `start` is its place in the text that spans refer to."""

    text: str
    start: int = 0


Texts = Callable[[Event], Sequence[Said]]


def prompt_texts(event: Event) -> list[Said]:
    """What came from outside: messages of users and tools, not the app's own instructions."""
    said, start = [], 0
    for message in event.input:
        if message.role not in ("system", "developer", "assistant"):
            said.append(Said(message.content, start))
        start += len(message.content) + 1
    return said


def response_texts(event: Event) -> list[Said]:
    return [Said(event.output)]


def context_texts(event: Event) -> list[Said]:
    """The retrieved documents; spans have no text to refer to there (see `judged`)."""
    return [Said(text) for text in event.context]


def judged(judge: Judge, texts: Texts, nothing: str, label: str, marks: bool = True) -> Compute:
    """A metric's function: the highest probability among the event's texts.

    `nothing` is told where there is no text, `label` is given to what the judge flags. `marks`:
    whether the places are marked; those of several documents lie in no one text.
    """

    def compute(event: Event) -> Value:
        said = [one for one in texts(event) if one.text.strip()]
        if not said:
            return Value(None, nothing)
        readings = [(judge.read(one.text), one) for one in said]
        reading, one = max(readings, key=lambda pair: pair[0].probability)
        spans = tuple(_moved(span, one.start) for span in reading.evidence) if marks else ()
        told = f"by {judge.name}, the highest of {len(said)} texts"
        return Value(reading.probability, told, label if reading.flagged else "", spans)

    return compute


def _moved(span: TextSpan, by: int) -> TextSpan:
    return TextSpan(span.start + by, span.end + by, span.score, span.label)
