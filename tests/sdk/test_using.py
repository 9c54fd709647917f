"""`using` and `propagate`: what surrounds a call reaches its event, in threads and tasks too."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import openai
import pytest

import driftline
from driftline.sdk.testing import MemoryTransport

MESSAGES: list[Any] = [{"role": "user", "content": "What is drift?"}]


@pytest.fixture
def client(providers: Any, memory: MemoryTransport) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=providers.openai_url, api_key="k", max_retries=0) as plain:
        yield driftline.wrap_openai(plain)


def ask(client: Any, model: str = "gpt-x") -> None:
    client.chat.completions.create(model=model, messages=MESSAGES)


def test_what_is_in_use_around_a_call_is_on_its_event(
    client: openai.OpenAI, memory: MemoryTransport
) -> None:
    with (
        driftline.using(session_id="s-1", tags=["beta"], metadata={"a": 1}),
        driftline.using(
            prompt_name="answer", prompt_version=3, tags=["eu"], context=["A passage."]
        ),
    ):
        client.chat.completions.create(model="gpt-x", messages=MESSAGES)
        client.embeddings.create(model="embed-x", input="a")
    client.chat.completions.create(model="gpt-x", messages=MESSAGES)
    assert driftline.flush()
    chat, embedding, bare = memory.events
    assert (chat["session_id"], chat["tags"]) == ("s-1", ["beta", "eu"])
    assert (chat["prompt_name"], chat["prompt_version"]) == ("answer", "3")
    assert chat["context"] == ["A passage."] and chat["metadata"]["a"] == "1"
    assert embedding["session_id"] == "s-1" and "context" not in embedding
    assert "session_id" not in bare and "tags" not in bare


def test_an_answer_of_another_shape_costs_fields_not_the_call(
    memory: MemoryTransport, leave_pytest: Any, caplog: pytest.LogCaptureFixture
) -> None:
    leave_pytest()
    odd = SimpleNamespace(choices=7, model="m")
    completions = SimpleNamespace(create=lambda **_: odd)
    client = driftline.wrap_openai(SimpleNamespace(chat=SimpleNamespace(completions=completions)))
    assert [client.chat.completions.create(model="m", messages=MESSAGES) for _ in "ab"] == [odd] * 2
    assert driftline.flush()
    assert [event["input"] for event in memory.events] == [MESSAGES] * 2
    assert [record.message for record in caplog.records if "lack fields" in record.message] == [
        "chat calls lack fields, the library's shape is unknown here (TypeError)"
    ]


def test_a_pools_threads_know_nothing_unless_told(
    client: openai.OpenAI, memory: MemoryTransport
) -> None:
    with ThreadPoolExecutor(2) as pool, driftline.span("outer") as outer:
        with driftline.using(session_id="s-1"):
            told = driftline.propagate(ask)
        for work in (told, told, ask):
            pool.submit(work, client).result()
    assert driftline.flush()
    *inside, bare, _ = memory.events
    assert [(e["parent_id"], e["session_id"]) for e in inside] == [(outer.span_id, "s-1")] * 2
    assert "parent_id" not in bare and "session_id" not in bare


def test_a_propagated_function_may_run_many_times_at_once(
    client: openai.OpenAI, memory: MemoryTransport
) -> None:
    @driftline.observe(name="job")
    def job(number: int) -> int:
        ask(client)
        return number

    with ThreadPoolExecutor(8) as pool, driftline.span("outer") as outer:
        assert list(pool.map(driftline.propagate(job), range(24))) == list(range(24))
    assert driftline.flush()
    jobs = [event for event in memory.events if event["name"] == "job"]
    spans = {event["id"][-17:].replace("-", "") for event in jobs}
    calls = [event for event in memory.events if event.get("kind") == "llm"]
    assert {event["parent_id"] for event in jobs} == {outer.span_id}
    assert len(spans) == 24 and {event["parent_id"] for event in calls} == spans


def test_tasks_of_a_group_each_have_their_own(providers: Any, memory: MemoryTransport) -> None:
    async def turn(client: openai.AsyncOpenAI, number: int) -> None:
        with driftline.using(session_id=f"s-{number}"), driftline.span(f"turn {number}"):
            stream = await client.chat.completions.create(
                model="gpt-x", messages=MESSAGES, stream=True
            )
            async for _ in stream:
                pass

    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=providers.openai_url, api_key="k") as plain:
            client = driftline.wrap_openai(plain)
            with driftline.span("outer"):
                async with asyncio.TaskGroup() as group:
                    for number in range(5):
                        group.create_task(turn(client, number))

    asyncio.run(main())
    assert driftline.flush()
    by_name = {event["name"]: event for event in memory.events if "turn" in event["name"]}
    calls = {event["session_id"]: event for event in memory.events if event.get("kind") == "llm"}
    assert len(by_name) == len(calls) == 5
    for number in range(5):
        turn_span = by_name[f"turn {number}"]["id"][-17:].replace("-", "")
        assert calls[f"s-{number}"]["parent_id"] == turn_span


def test_a_generator_closed_elsewhere_leaves_no_trace(
    client: openai.OpenAI, memory: MemoryTransport
) -> None:
    def answers() -> Iterator[None]:
        with driftline.using(session_id="s-1"):
            while True:
                ask(client)
                yield

    running = answers()
    driftline.propagate(next)(running)  # begun in another context
    running.close()
    ask(client)
    assert driftline.flush()
    inside, after = memory.events
    assert inside["session_id"] == "s-1" and "session_id" not in after
