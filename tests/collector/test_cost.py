"""What an event costs: the sender's word, the project's price, the public list."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest
from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice

from driftline.collector import prices
from driftline.sdk.records import Price

USAGE = {"input": 1000, "input_cached": 400, "output": 200, "reasoning": 150}


@pytest.fixture
def stored(front, event):
    """Send one event; the event as it was stored."""

    def stored(**fields):
        line = event(**fields)
        front.send(line)
        return front.get(f"/v1/events/{line['id']}")

    return stored


def test_a_known_model_is_priced_with_its_cached_and_reasoning_tokens(stored):
    found = stored(provider="openai", model="gpt-4o", usage=USAGE)
    # gpt-4o: $2.50 a million in, $1.25 cached, $10 out; the reasoning is part of the output
    assert found["cost"] == pytest.approx((600 * 2.5 + 400 * 1.25 + 200 * 10) / 1e6)
    assert found["cost_source"] == "list"


def test_the_senders_cost_wins_and_is_marked(stored):
    found = stored(provider="openai", model="gpt-4o", usage=USAGE, cost=0.5)
    assert (found["cost"], found["cost_source"]) == (0.5, "sender")


@pytest.mark.parametrize(
    "fields",
    [
        {"provider": "openai", "model": "house-7b", "usage": USAGE},
        {"provider": "my own rack", "model": "gpt-4o", "usage": USAGE},
        {"provider": "openai", "model": "gpt-4o"},
        {"provider": "openai", "model": "gpt-4o", "usage": USAGE, "kind": "tool"},
        {"model": "whisper-1", "provider": "openai", "usage": {"input": 10, "output": 10}},
    ],
    ids=["unknown model", "unknown provider", "no tokens", "no model call", "not sold by tokens"],
)
def test_what_nobody_knows_is_unknown_and_not_nothing(stored, fields):
    found = stored(**fields)
    assert (found["cost"], found["cost_source"]) == (None, "")


def test_the_price_is_the_one_of_the_events_own_time():
    listed = prices.public()
    before = datetime(2025, 6, 9, tzinfo=UTC)
    after = datetime(2025, 6, 11, tzinfo=UTC)  # o3 became 80 % cheaper on 2025-06-10
    usage = {"input": 1_000_000}
    assert listed.rates("openai", "o3", before).cost(usage) == pytest.approx(10.0)
    assert listed.rates("openai", "o3", after).cost(usage) == pytest.approx(2.0)


def test_a_projects_own_price_is_used_for_what_comes_after_it(front, stored):
    own = {"model": "House-7b", "input": 1.0, "output": 2.0, "input_cached": 0.5}
    assert stored(model="house-7b", usage=USAGE)["cost"] is None
    answer = front.client.put("/v1/settings", json={"prices": [own]}, headers=front.headers)
    assert answer.status_code == 200
    found = stored(model="house-7b", usage=USAGE)
    assert found["cost"] == pytest.approx((600 * 1.0 + 400 * 0.5 + 200 * 2.0) / 1e6)
    assert found["cost_source"] == "project"


def test_an_own_price_for_a_provider_is_not_another_providers():
    own = [Price("m", 1, 1, "a"), Price("m", 2, 2)]
    assert prices.own_rates(own, "A", "m").cost({"input": 10**6}) == pytest.approx(1.0)
    assert prices.own_rates(own, "b", "m").cost({"input": 10**6}) == pytest.approx(2.0)
    assert prices.own_rates(own, "b", "n") is None


def test_every_price_of_the_list_agrees_with_the_library():
    """Law: what we compile computes what `genai_prices` itself would say."""
    random = Random(7)
    compared = 0
    for provider in get_snapshot().providers:
        for model in provider.models:
            many = model.prices if isinstance(model.prices, list) else [model]
            for price in (entry.prices for entry in many):
                assert isinstance(price, ModelPrice)
                compared += _agrees(price, random)
    assert compared > 2000


def _agrees(price: ModelPrice, random: Random) -> bool:
    whole = random.choice((0, 900, 150_000, 300_000, 1_200_000))
    out = random.randrange(0, 5000)
    cached, written, thought = whole // 3, whole // 7, out // 2
    ours = prices.compiled(price).cost(
        {
            "input": whole,
            "input_cached": cached,
            "input_cache_write": written,
            "output": out,
            "reasoning": thought,
        }
    )
    if ours is None:
        return False
    theirs = price.calc_price(
        Usage(
            input_tokens=whole,
            cache_read_tokens=cached,
            cache_write_tokens=written,
            output_tokens=out,
            output_reasoning_tokens=thought,
        )
    )
    assert ours == pytest.approx(float(theirs["total_price"]), rel=1e-9, abs=1e-15), price
    return True


@pytest.mark.parametrize(
    ("provider", "model", "sold_as"),
    [
        ("azure.ai.openai", "gpt-4o", "gpt-4o"),
        ("aws.bedrock", "anthropic.claude-3-5-sonnet-20240620-v1:0", "claude"),
        ("gcp.vertex_ai", "gemini-2.0-flash", "gemini"),
        ("x_ai", "grok-3", "grok"),
        ("mistral_ai", "mistral-large-latest", "mistral"),
        ("", "openai/gpt-4o", "gpt-4o"),
        ("", "gpt-4o-2024-08-06", "gpt-4o"),
    ],
)
def test_the_names_that_instrumentations_give_to_providers_are_known(provider, model, sold_as):
    now = datetime.now(UTC)
    assert prices.public().rates(provider, model, now) is not None, sold_as


def test_a_hostile_sender_cannot_fill_the_memory():
    listed = prices.PriceList(get_snapshot().providers, remembered=50)
    for number in range(300):
        listed.rates("openai", f"gpt-4o-{number}", datetime.now(UTC))
        assert len(listed) <= 50
