"""A project that chose metrics of the text alone never waits for a model."""

from __future__ import annotations

import pytest

from driftline.metrics.by_need import ByNeed
from driftline.metrics.catalog import installed
from driftline.metrics.errors import ModelError
from driftline.metrics.memory import Scorer
from driftline.metrics.scoring import Scored
from driftline.sdk.records import Event, decode_record

TEXT_ONLY = {"response_length", "response_refusal"}


def event(kind: str = "llm") -> Event:
    blank: dict[str, object] = dict.fromkeys(Event.__dataclass_fields__, "")
    lists = {"input": [], "context": [], "token_logprobs": [], "tags": [], "usage": {}}
    numbers = {"latency_ms": 0, "cost": None, "sample_weight": 1, "time_to_first_token_ms": None}
    rest = {"metadata": {}, "truncated": {}, "id": kind, "kind": kind, "output": "Paris."}
    return decode_record(Event, {**blank, **lists, **numbers, **rest})


def never() -> Scorer:
    raise OSError("the weights are gone")


def test_metrics_that_need_no_model_are_computed_without_loading_one() -> None:
    found = ByNeed(installed(), never).score([event(), event("tool")], chosen=TEXT_ONLY)
    assert {s.name: s.value for s in found.scores}["response_length"] == 6
    assert {(s.event_id, s.name) for s in found.scores} == {("llm", n) for n in TEXT_ONLY}


@pytest.mark.parametrize("chosen", [None, {*TEXT_ONLY, "response_perplexity"}])
def test_models_that_cannot_be_loaded_are_no_events_fault(chosen: set[str] | None) -> None:
    with pytest.raises(ModelError, match="the weights are gone"):
        ByNeed(installed(), never).score([event()], chosen=chosen)


def test_models_are_loaded_once_and_then_used_for_everything() -> None:
    loads = []

    class Whole:
        def score(self, events: object, check: object = None, chosen: object = None) -> Scored:
            return Scored(tokens=7)

    def load() -> Scorer:
        loads.append(1)
        return Whole()  # type: ignore[return-value]

    scorer = ByNeed(installed(), load)
    assert [scorer.score([event()], chosen=c).tokens for c in (None, None, TEXT_ONLY)] == [7, 7, 7]
    assert len(loads) == 1
