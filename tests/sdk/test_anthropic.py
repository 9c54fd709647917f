"""`wrap_anthropic`: the real `anthropic` library against a server that speaks Anthropic's wire."""

import asyncio
import gc
import json
from collections.abc import Iterator
from typing import Any

import pytest

import driftline
from driftline.sdk.testing import MemoryTransport

anthropic = pytest.importorskip("anthropic")
MESSAGES: list[Any] = [{"role": "user", "content": "What is drift?"}]
ASK: dict[str, Any] = {"model": "claude-x", "max_tokens": 64, "messages": MESSAGES}
TOOLS = [{"name": "lookup", "input_schema": {"type": "object"}}]
CALL = {"id": "toolu_1", "name": "lookup", "arguments": '{"q": "drift"}'}
USAGE = {"input": 10, "output": 4, "input_cached": 6, "input_cache_write": 1}  # 3 fresh


@pytest.fixture
def client(providers: Any, memory: MemoryTransport) -> Iterator[Any]:
    with anthropic.Anthropic(base_url=providers.url, api_key="k", max_retries=0) as plain:
        yield driftline.wrap_anthropic(plain)


def run_async(url: str, work: Any) -> None:
    async def main() -> None:
        async with anthropic.AsyncAnthropic(base_url=url, api_key="k", max_retries=0) as plain:
            await work(driftline.wrap_anthropic(plain))

    asyncio.run(main())


def only(memory: MemoryTransport) -> dict[str, Any]:
    assert driftline.flush()
    (event,) = memory.events
    return event


def test_a_message_is_one_event_and_comes_back_unchanged(
    client: Any, memory: MemoryTransport
) -> None:
    answer = client.messages.create(
        **ASK, system="Be brief.", stop_sequences=["."], metadata={"user_id": "u-1"}
    )
    assert type(answer) is anthropic.types.Message and answer.content[0].text == "A change."
    event = only(memory)
    assert (event["kind"], event["name"]) == ("llm", "messages claude-x")
    assert (event["provider"], event["model"]) == ("anthropic", "claude-x-20261001")
    assert event["input"] == [{"role": "system", "content": "Be brief."}, *MESSAGES]
    assert event["output"] == "A change." and event["user_id"] == "u-1"
    assert event["metadata"]["stop_sequences"] == '["."]'
    assert event["metadata"]["finish_reason"] == "end_turn"


def test_input_tokens_include_what_the_cache_gave_and_took(
    client: Any, memory: MemoryTransport
) -> None:
    client.messages.create(**ASK)
    list(client.messages.create(**ASK, stream=True))
    with client.messages.stream(**ASK) as stream:
        stream.until_done()
    assert driftline.flush()
    assert [event["usage"] for event in memory.events] == [USAGE] * 3


def test_tool_calls_and_thoughts_are_part_of_the_output(
    client: Any, memory: MemoryTransport
) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    ask = {**ASK, "tools": TOOLS, "thinking": thinking}
    client.messages.create(**ask)
    list(client.messages.create(**ask, stream=True))
    with client.messages.stream(**ask) as stream:
        assert stream.get_final_message().content[-1].input == {"q": "drift"}
    assert driftline.flush()
    said = {"role": "assistant", "content": "A change.", "thinking": "They ask about drift."}
    assert [event["output"] for event in memory.events] == [{**said, "tool_calls": [CALL]}] * 3
    assert json.loads(memory.events[0]["metadata"]["tools"]) == TOOLS


def test_a_stream_is_passed_on_and_written_down(client: Any, memory: MemoryTransport) -> None:
    stream = client.messages.create(**ASK, stream=True)
    assert isinstance(stream, anthropic.Stream) and stream.response.status_code == 200
    assert [event.type for event in stream][-1] == "message_stop"
    event = only(memory)
    assert (event["output"], event["metadata"]["finish_reason"]) == ("A change.", "end_turn")
    assert 0 <= event["time_to_first_token_ms"] * 1000 <= event["end_time"] - event["start_time"]


def test_the_stream_helper_is_logged_however_it_is_read(
    client: Any, memory: MemoryTransport
) -> None:
    with client.messages.stream(**ASK) as stream:
        assert isinstance(stream, anthropic.MessageStream)
        assert list(stream.text_stream) == ["A ", "change."]
    with client.messages.stream(**ASK) as stream:
        assert "text" in [event.type for event in stream]
    with client.messages.stream(**ASK) as stream:
        assert stream.get_final_text() == "A change."
    assert driftline.flush()
    assert [event["output"] for event in memory.events] == ["A change."] * 3
    assert all("time_to_first_token_ms" in event for event in memory.events)


@pytest.mark.parametrize("how", ["close", "with", "drop", "helper"])
def test_a_stream_left_early_is_logged_as_far_as_it_came(
    client: Any, memory: MemoryTransport, how: str
) -> None:
    ask = {**ASK, "model": "stalled"}
    if how == "helper":
        with client.messages.stream(**ask) as helper:
            assert next(helper.text_stream) == "A "
    else:
        stream = client.messages.create(**ask, stream=True)
        while next(stream).type != "content_block_delta":
            pass
        if how == "close":
            stream.close()
        elif how == "with":
            with stream:
                pass
        else:
            stream.response.close()
            del stream
            gc.collect()
    event = only(memory)
    assert event["output"] == "A " and event["metadata"]["closed_early"] == "true"


def test_an_error_of_the_api_is_recorded_and_raised(client: Any, memory: MemoryTransport) -> None:
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(**{**ASK, "model": "broken"})
    with (
        pytest.raises(anthropic.InternalServerError),
        client.messages.stream(**{**ASK, "model": "busy"}),
    ):
        raise AssertionError("never entered")
    assert driftline.flush()
    first, second = memory.events
    assert first["status"] == "error" and first["error"].startswith("NotFoundError: ")
    assert first["input"] == MESSAGES and second["status"] == "error"


def test_raw_responses_stay_raw(client: Any, memory: MemoryTransport) -> None:
    raw = client.messages.with_raw_response.create(**ASK)
    assert raw.headers["content-type"] == "application/json"
    assert raw.parse().content[0].text == "A change."
    assert only(memory)["output"] == "A change."


def test_beta_messages_and_copies_are_logged_too(client: Any, memory: MemoryTransport) -> None:
    assert driftline.wrap_anthropic(client) is client
    client.beta.messages.create(**ASK)
    client.with_options(timeout=5).messages.create(**ASK)
    with client.beta.messages.stream(**ASK) as stream:
        stream.until_done()
    assert driftline.flush()
    assert [event["output"] for event in memory.events] == ["A change."] * 3


def test_the_users_id_of_the_app_wins_over_the_one_it_gives_away(
    client: Any, memory: MemoryTransport
) -> None:
    with driftline.span("turn", user_id="ada", session_id="s-1") as outer:
        client.messages.create(**ASK, metadata={"user_id": "opaque"})
    assert driftline.flush()
    event = memory.events[0]
    assert (event["user_id"], event["session_id"]) == ("ada", "s-1")
    assert event["parent_id"] == outer.span_id


def test_the_asynchronous_client(providers: Any, memory: MemoryTransport) -> None:
    async def work(client: Any) -> None:
        await client.messages.create(**ASK)
        stream = await client.messages.create(**ASK, stream=True)
        assert isinstance(stream, anthropic.AsyncStream)
        assert [event async for event in stream]
        async with client.messages.stream(**ASK) as helper:
            assert isinstance(helper, anthropic.AsyncMessageStream)
            assert [text async for text in helper.text_stream] == ["A ", "change."]
        with pytest.raises(anthropic.NotFoundError):
            await client.messages.create(**{**ASK, "model": "broken"})
        raw = await client.messages.with_raw_response.create(**ASK)
        assert (await raw.parse()).content[0].text == "A change."

    run_async(providers.url, work)
    assert driftline.flush()
    assert [event.get("output") for event in memory.events] == [
        *["A change."] * 3,
        None,
        "A change.",
    ]


def test_a_cancelled_stream_is_logged_as_far_as_it_came(
    providers: Any, memory: MemoryTransport
) -> None:
    async def work(client: Any) -> None:
        began = asyncio.Event()

        async def read() -> None:
            async for event in await client.messages.create(
                **{**ASK, "model": "stalled"}, stream=True
            ):
                if event.type == "content_block_delta":
                    began.set()

        task = asyncio.create_task(read())
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_async(providers.url, work)
    event = only(memory)
    assert event["output"] == "A " and event["error"] == "CancelledError"
