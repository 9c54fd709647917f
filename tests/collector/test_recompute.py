"""Prices change; stored costs follow when asked."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from driftline.collector import prices, reprice
from driftline.sdk.records import Price

pytestmark = pytest.mark.parametrize(
    "clickhouse_url", ["embedded", "server"], indirect=True, scope="module"
)
DAY = 86_400_000
USAGE = {"input": 1000, "input_cached": 400, "output": 200}


@pytest.fixture
def own_price(front):
    def own_price(*models, dollars=1.0):
        own = [{"model": model, "input": dollars, "output": dollars} for model in models]
        answer = front.client.put("/v1/settings", json={"prices": own}, headers=front.headers)
        assert answer.status_code == 200, answer.text

    return own_price


@pytest.fixture
def recompute(front):
    """Every step of a recomputation of the last 60 days: events examined and changed."""

    def recompute():
        now = datetime.now(UTC)
        span = {"start": str(now - timedelta(60)), "end": str(now + timedelta(1))}
        examined, changed, cursor, steps = 0, 0, "", 0
        while steps == 0 or cursor:
            done = front.post("/v1/costs/recompute", {**span, "cursor": cursor})
            examined, changed = examined + done["examined"], changed + done["changed"]
            cursor, steps = done["cursor"], steps + 1
            assert steps <= 12
        return examined, changed

    return recompute


@pytest.fixture
def ago(event, uuid7):
    """An event of so many days ago."""

    def ago(days, **fields):
        milliseconds = time.time_ns() // 1_000_000 - int(days * DAY)
        return event(id=uuid7(milliseconds), start_time=milliseconds * 1000, **fields)

    return ago


def total(front):
    start = str(datetime.now(UTC) - timedelta(60))
    return front.get("/v1/overview", start=start.replace(" ", "T"), buckets=10)["cost"]


def test_a_new_price_reaches_stored_events_and_charts_once(front, ago, own_price, recompute):
    lines = [ago(days, model="house-7b", usage=USAGE) for days in (0, 1, 8, 9, 30)]
    front.send(*lines)
    assert total(front) == 0
    own_price("house-7b")
    assert recompute() == (5, 5)
    assert total(front) == pytest.approx(5 * 1200 / 1e6)
    assert recompute() == (5, 0)
    stored = front.get(f"/v1/events/{lines[-1]['id']}")
    assert (stored["cost"], stored["cost_source"]) == (pytest.approx(0.0012), "project")
    own_price("house-7b", dollars=2.0)
    assert recompute() == (5, 5)
    assert total(front) == pytest.approx(10 * 1200 / 1e6)
    own_price()
    assert recompute() == (5, 5)
    assert total(front) == 0


def test_the_senders_cost_stays_and_what_is_no_model_call_has_none(
    front, event, own_price, recompute
):
    paid = event(model="house-7b", usage=USAGE, cost=0.25)
    tool = event(model="house-7b", usage=USAGE, kind="tool")
    front.send(paid, tool)
    own_price("house-7b")
    assert recompute() == (0, 0)
    assert front.get(f"/v1/events/{paid['id']}")["cost"] == 0.25
    assert front.get(f"/v1/events/{tool['id']}")["cost"] is None


def test_costs_are_listed_by_model_and_the_unknown_come_first(front, event):
    front.send(
        event(provider="openai", model="gpt-4o", usage=USAGE),
        event(provider="openai", model="gpt-4o", usage=USAGE),
        event(provider="", model="house-7b", usage=USAGE),
        event(model="x", usage=USAGE, cost=3.0),
    )
    rows = front.get("/v1/costs")["costs"]
    assert [(row["model"], row["source"], row["events"]) for row in rows] == [
        ("house-7b", "", 1),
        ("x", "sender", 1),
        ("gpt-4o", "list", 2),
    ]
    assert rows[0]["cost"] is None and rows[0]["input_tokens"] == 1000


def test_hostile_names_of_models_are_names(front, event, own_price, recompute):
    names = ["a' OR 1=1 --", "b\\') --", "c{d:String}", "é 漢"]
    front.send(*(event(model=name, usage=USAGE) for name in names))
    own_price(*names)
    assert recompute() == (4, 4)


def test_the_sql_of_a_price_computes_what_the_step_computes(front):
    """Law: over models with tiers, dated and daily prices, and usage of every shape."""
    random = Random(3)
    own = [Price("own", 3.0, 5.0, "", 1.0)]
    pairs = [
        ("openai", "gpt-4o"),
        ("openai", "o3"),
        ("google", "gemini-2.5-pro"),
        ("deepseek", "deepseek-chat"),
        ("anthropic", "claude-sonnet-4-5"),
        ("openai", "text-embedding-3-small"),
        ("perplexity", "sonar-deep-research"),
        ("openai", "whisper-1"),
        ("nobody", "nothing"),
        ("", "own"),
    ]
    cost_sql, source_sql = reprice.expressions(pairs, own)
    for provider, model in pairs:
        for _ in range(6):
            moment = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(random.random() * 800)
            whole, out = random.choice([0, 10, 150_000, 250_000]), random.choice([0, 7, 900])
            usage = {"input": whole, "output": out, "input_cached": random.choice([0, whole // 2])}
            usage["reasoning"] = out // 3
            rates = prices.own_rates(own, provider, model) or prices.public().rates(
                provider, model, moment
            )
            expected = rates.cost(usage) if rates and (whole or out) else None
            used = ", ".join(f"'{kind}', toUInt64({count})" for kind, count in usage.items())
            ((cost, source),) = front.services.clickhouse.query(
                f"SELECT {cost_sql}, {source_sql} FROM (SELECT {{provider:String}} AS provider, "
                "{model:String} AS model, {at:DateTime64(6, 'UTC')} AS start_time, "
                f"map({used}) AS usage)",
                provider=provider,
                model=model,
                at=moment,
            )
            assert cost == pytest.approx(expected), (provider, model, moment, usage)
            assert (source == "") == (expected is None)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-11-20T13:37:51.714106Z", "0989-05-29T02:19:56.76+00:32"),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_spans_beyond_what_the_database_can_write_are_cut(front, start, end):
    found = front.post("/v1/costs/recompute", {"start": start, "end": end})
    assert found["changed"] == 0
