"""Events for descriptors."""

from collections.abc import Callable
from typing import Any

import pytest

from driftline.metrics.descriptors import DESCRIPTORS
from driftline.metrics.metric import Metric, Value
from driftline.sdk.records import Event, Message

MakeEvent = Callable[..., Event]
Measure = Callable[..., Value]


@pytest.fixture(scope="session")
def make_event() -> MakeEvent:
    """An event of a response, with other fields by name."""

    def make(output: str, prompt: str = "What is drift?", **fields: Any) -> Event:
        plain: dict[str, Any] = dict.fromkeys(Event.__dataclass_fields__, "")
        plain |= {
            "kind": "llm",
            "status": "ok",
            "latency_ms": 1.0,
            "time_to_first_token_ms": None,
            "input": [Message("user", prompt)],
            "context": [],
            "token_logprobs": [],
            "usage": {},
            "cost": None,
            "tags": [],
            "metadata": {},
            "sample_weight": 1.0,
            "truncated": {},
        }
        return Event(**plain | fields | {"output": output})

    return make


@pytest.fixture(scope="session")
def measure(make_event: MakeEvent) -> Measure:
    """The value of a descriptor, by name, of a response."""
    by_name: dict[str, Metric] = {metric.card.name: metric for metric in DESCRIPTORS}

    def of(name: str, output: str, **fields: Any) -> Value:
        return by_name[name](make_event(output, **fields))

    return of
