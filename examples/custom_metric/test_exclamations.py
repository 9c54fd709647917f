"""The one test of the metric: what it is on known texts, and that odd ones do not break it."""

import math

import pytest
from exclamations import exclamations

from driftline.sdk.records import Event, decode_record


def event(output: str) -> Event:
    numbers = {"latency_ms": 1, "time_to_first_token_ms": None, "cost": None, "sample_weight": 1}
    empty = {"input": [], "context": [], "token_logprobs": [], "tags": []}
    maps = {"usage": {}, "metadata": {}, "truncated": {}}
    texts = dict.fromkeys(Event.__dataclass_fields__, "")
    return decode_record(Event, {**texts, **numbers, **empty, **maps, "output": output})


@pytest.mark.parametrize(
    ("text", "value", "label"),
    [("Fine. Good!", 0.5, ""), ("Wow! Great!!", 1.5, "loud"), ("太好了！", 1.0, "loud")],
)
def test_exclamation_marks_by_sentence(text: str, value: float, label: str) -> None:
    found = exclamations(event(text))
    assert (found.value, found.label) == (value, label)


@pytest.mark.parametrize("text", ["", " \n", "!!!", "\ud83d!", "🎉" * 1000, "a! " * 300_000])
def test_any_text_gives_a_number_or_a_reason(text: str) -> None:
    found = exclamations(event(text))
    assert found.explanation if found.value is None else math.isfinite(found.value)
