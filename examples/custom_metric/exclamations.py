"""A metric of our own: how loud is an answer? The whole of it is this file."""

from __future__ import annotations

from driftline.metrics.metric import Value, metric
from driftline.metrics.text import sentences
from driftline.sdk.records import Event


@metric(
    name="response_exclamations",
    title="Exclamation marks",
    formula="exclamation marks / sentences",
    needs="response",
    low=0.0,
    unit="a sentence",
    lies="on code, where ! means not, and in languages that write none",
    version="1",
)
def exclamations(event: Event) -> Value:
    """Of the response; one in every sentence is 1."""
    count = len(sentences(event.output))
    if not count:
        return Value(None, "no sentence")
    loud = event.output.count("!") + event.output.count("！")
    return Value(loud / count, label="loud" if loud > count / 2 else "")
