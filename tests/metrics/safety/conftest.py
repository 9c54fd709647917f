"""Events made of the texts of a test."""

import json
from collections.abc import Callable
from gzip import open as gzip_open
from pathlib import Path

import pytest

from driftline.sdk.records import Event, Message

DATA = Path(__file__).parent / "data"

MakeEvent = Callable[..., Event]


@pytest.fixture(scope="session")
def held_out() -> dict[str, object]:
    """Rows that nothing was trained on; see data/NOTICE."""
    with gzip_open(DATA / "held_out.json.gz", "rt", encoding="utf-8") as file:
        return dict(json.load(file))


@pytest.fixture(scope="session")
def make_event() -> MakeEvent:
    return event


def event(
    *messages: tuple[str, str], output: str = "", context: tuple[str, ...] = (), name: str = "chat"
) -> Event:
    """An event of these (role, content) messages."""
    return Event(
        id="01976a00-0000-7000-8000-000000000001",
        trace_id="0" * 32,
        span_id="0" * 16,
        parent_id="",
        project="shop",
        kind="llm",
        name=name,
        start_time="2026-06-12T08:00:00Z",
        end_time="2026-06-12T08:00:01Z",
        latency_ms=1000.0,
        time_to_first_token_ms=None,
        model="gpt-5-mini",
        provider="openai",
        variant="",
        prompt_name="",
        prompt_version="",
        environment="production",
        release="",
        session_id="",
        user_id="",
        status="ok",
        error="",
        input=[Message(role, content) for role, content in messages],
        output=output,
        context=list(context),
        token_logprobs=[],
        usage={},
        cost=None,
        tags=[],
        metadata={},
        sample_weight=1.0,
        truncated={},
        ingested_at="2026-06-12T08:00:02Z",
    )
