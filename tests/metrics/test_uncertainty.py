"""Uncertainty from the provider's log-probabilities: peaks, not means."""

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.metrics.uncertainty import (
    FLOOR_NATS,
    UNCERTAINTY,
    doubtful_tokens,
    peaks,
    provider_perplexity,
    stretches,
    surprisals,
    uncertainty,
)
from driftline.sdk.records import Event

LOGPROBS = st.lists(st.floats(-1e6, 1e6), max_size=60)


def event(*logprobs: float) -> Event:
    fields: dict[str, Any] = {field.name: "" for field in dataclasses.fields(Event)}
    fields |= {"input": [], "context": [], "usage": {}, "tags": [], "metadata": {}, "truncated": {}}
    return Event(**fields | {"token_logprobs": list(logprobs), "sample_weight": 1.0})


def test_perplexity_is_that_of_its_sums() -> None:
    found = provider_perplexity(event(math.log(0.5), math.log(0.125)))
    assert found.value == pytest.approx(4.0)
    assert found.stats == {"nll_sum": pytest.approx(math.log(16)), "n_tokens": 2.0}


def test_one_doubtful_place_counts_however_long_and_sure_the_rest_is() -> None:
    doubt = [-3.0, -2.5, -2.0]
    short, long = event(*doubt, *[-0.01] * 5), event(*[-0.01] * 500, *doubt, *[-0.01] * 500)
    assert uncertainty(short).value == uncertainty(long).value == pytest.approx(1 - math.exp(-2.5))
    assert "tokens 501 to 503 of 1003" in uncertainty(long).explanation
    mean = provider_perplexity(long).value
    assert mean is not None and mean < 1.02


def test_a_peak_is_where_doubt_begins() -> None:
    assert peaks([0.1, 3.0, 0.2, 2.0, 2.0, 0.1, 0.6, 0.1]) == [1, 3]
    assert doubtful_tokens(event(-0.1, -3.0, -0.1, -0.1)).value == 0.25


def test_a_marker_of_the_provider_does_not_drown_the_rest() -> None:
    assert surprisals([-9999.0, -0.5, 0.25]) == [FLOOR_NATS, 0.5, 0.0]


@pytest.mark.parametrize("metric", UNCERTAINTY, ids=lambda m: m.card.name)
def test_without_log_probabilities_there_is_no_number_but_a_reason(metric: Any) -> None:
    found = metric(event())
    assert found.value is None and "logprobs" in found.explanation


@pytest.mark.parametrize("metric", UNCERTAINTY, ids=lambda m: m.card.name)
@given(logprobs=LOGPROBS)
def test_values_keep_to_their_card(metric: Any, logprobs: list[float]) -> None:
    value = metric(event(*logprobs)).value
    card = metric.card
    assert (value is None) == (not logprobs)
    if value is not None:
        assert math.isfinite(value) and value >= card.low
        assert card.high is None or value <= card.high


@given(nats=st.lists(st.floats(0, FLOOR_NATS), max_size=60), size=st.integers(1, 5))
def test_stretches_are_the_means_of_all_runs(nats: list[float], size: int) -> None:
    runs = [nats[n : n + size] for n in range(max(1, len(nats) - size + 1))] if nats else []
    assert stretches(nats, size) == pytest.approx([sum(run) / len(run) for run in runs], abs=1e-9)
