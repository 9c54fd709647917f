"""`@driftline.observe`: functions stay what they are, and their calls are logged."""

import asyncio
import contextlib
import contextvars
import gc
import inspect
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

import pytest

import driftline
from driftline.sdk import context
from driftline.sdk.testing import MemoryTransport


def only(memory: MemoryTransport) -> dict[str, Any]:
    assert driftline.flush()
    (event,) = memory.events
    return event


def by_name(memory: MemoryTransport) -> dict[str, dict[str, Any]]:
    assert driftline.flush()
    return {event["name"]: event for event in memory.events}


def test_a_call_is_logged_with_its_argument_and_result(memory: MemoryTransport) -> None:
    @driftline.observe
    def shout(text: str) -> str:
        """Docstring."""
        return text.upper()

    assert shout("hi") == "HI"
    event = only(memory)
    assert (event["input"], event["output"], event["kind"]) == ("hi", "HI", "chain")
    assert event["name"].endswith("shout")
    assert shout.__doc__ == "Docstring."
    assert list(inspect.signature(shout).parameters) == ["text"]


def test_options_name_the_span_and_keep_content_out(memory: MemoryTransport) -> None:
    @driftline.observe(name="secret", kind="tool", capture_input=False, capture_output=False)
    def login(password: str) -> str:
        return password

    login("hunter2")
    event = only(memory)
    assert (event["name"], event["kind"]) == ("secret", "tool")
    assert "hunter2" not in str(event)


def test_several_arguments_are_a_mapping_without_self(memory: MemoryTransport) -> None:
    class Bot:
        @driftline.observe
        def ask(self, question: str, *rest: int, top_k: int = 3) -> None: ...

    Bot().ask("q", 7, 8, top_k=5)
    assert only(memory)["input"] == {"question": "q", "args": [7, 8], "top_k": 5}


def test_a_method_with_one_argument_has_it_as_input(memory: MemoryTransport) -> None:
    class Bot:
        @driftline.observe
        def ask(self, question: str) -> None: ...

    Bot().ask("q")
    assert only(memory)["input"] == "q"


def test_the_input_is_what_it_was_at_the_call(memory: MemoryTransport) -> None:
    @driftline.observe
    def reply(messages: list[str]) -> None:
        messages.append("answer")

    reply(["question"])
    assert only(memory)["input"] == ["question"]


def test_an_exception_passes_through_unchanged(memory: MemoryTransport) -> None:
    error = ValueError("bad")

    @driftline.observe
    def fail() -> None:
        raise error

    with pytest.raises(ValueError) as caught:
        fail()
    assert caught.value is error
    event = only(memory)
    assert (event["status"], event["error"]) == ("error", "ValueError: bad")


def test_a_coroutine_function_stays_one(memory: MemoryTransport) -> None:
    @driftline.observe(kind="llm")
    async def answer(question: str) -> str:
        await asyncio.sleep(0)
        return question + "!"

    assert inspect.iscoroutinefunction(answer)
    assert asyncio.run(answer("hi")) == "hi!"
    assert only(memory)["output"] == "hi!"


def test_a_cancelled_task_is_an_error_and_stays_cancelled(memory: MemoryTransport) -> None:
    @driftline.observe
    async def forever() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(forever())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert only(memory)["error"] == "CancelledError"


def test_a_generators_output_is_what_it_yielded(memory: MemoryTransport) -> None:
    @driftline.observe
    def stream(n: int) -> Iterator[str]:
        for number in range(n):
            yield f"{number} "

    assert inspect.isgeneratorfunction(stream)
    assert list(stream(3)) == ["0 ", "1 ", "2 "]
    event = only(memory)
    assert event["output"] == "0 1 2 " and event["time_to_first_token_ms"] >= 0


def test_a_generator_can_be_sent_to_thrown_at_and_returns(memory: MemoryTransport) -> None:
    @driftline.observe
    def talk() -> Generator[str, str, int]:
        try:
            got = yield "first"
        except KeyError:
            got = yield "caught"
        yield got
        return 7

    def caller() -> Generator[str, str, int]:
        return (yield from talk())

    talking = caller()
    assert next(talking) == "first"
    assert talking.throw(KeyError("x")) == "caught"
    assert talking.send("sent") == "sent"
    with pytest.raises(StopIteration) as stop:
        next(talking)
    assert stop.value.value == 7
    assert only(memory)["output"] == "firstcaughtsent"


def test_a_generator_closed_early_says_so_and_runs_its_cleanup(memory: MemoryTransport) -> None:
    cleaned = []

    @driftline.observe
    def stream() -> Iterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            cleaned.append(True)

    running = stream()
    next(running)
    running.close()  # type: ignore[attr-defined]
    event = only(memory)
    assert cleaned and event["output"] == "a"
    assert event["metadata"] == {"closed_early": "true"} and "status" not in event


def test_a_generator_that_is_dropped_is_logged_too(memory: MemoryTransport) -> None:
    @driftline.observe
    def stream() -> Iterator[str]:
        yield "a"
        yield "b"

    for _ in stream():
        break
    gc.collect()
    assert only(memory)["metadata"] == {"closed_early": "true"}


def test_between_the_steps_of_a_generator_the_callers_span_is_current(
    memory: MemoryTransport,
) -> None:
    @driftline.observe(name="stream")
    def stream() -> Iterator[int]:
        with driftline.span("inside"):
            for number in range(3):
                with driftline.span(f"step {number}"):
                    pass
                yield number

    with driftline.span("caller"):
        for number in stream():
            with driftline.span(f"use {number}"):
                pass
    assert context.current() is None
    events = by_name(memory)
    span_id = {name: event["id"][19:].replace("-", "") for name, event in events.items()}
    assert events["stream"]["parent_id"] == span_id["caller"]
    assert events["inside"]["parent_id"] == span_id["stream"]
    for number in range(3):
        assert events[f"step {number}"]["parent_id"] == span_id["inside"]
        assert events[f"use {number}"]["parent_id"] == span_id["caller"]


def test_the_steps_of_a_generator_may_run_in_other_contexts(memory: MemoryTransport) -> None:
    """As Starlette does, which runs each step of a response in a thread pool."""

    @driftline.observe(name="stream")
    def stream() -> Iterator[int]:
        with driftline.span("inside"):
            yield 1
            with driftline.span("deep"):
                yield 2

    running = stream()
    for _ in range(3):
        with contextlib.suppress(StopIteration):
            contextvars.copy_context().run(next, running)
    events = by_name(memory)
    assert set(events) == {"stream", "inside", "deep"}
    assert len({event["trace_id"] for event in events.values()}) == 1


def test_an_async_generator_is_logged_and_keeps_its_context(memory: MemoryTransport) -> None:
    @driftline.observe(name="stream")
    async def stream() -> AsyncIterator[str]:
        with driftline.span("inside"):
            yield "a"
            await asyncio.sleep(0)
            yield "b"

    async def main() -> None:
        with driftline.span("caller"):
            async for piece in stream():
                with driftline.span(f"use {piece}"):
                    pass

    assert inspect.isasyncgenfunction(stream)
    asyncio.run(main())
    events = by_name(memory)
    span_id = {name: event["id"][19:].replace("-", "") for name, event in events.items()}
    assert events["stream"]["output"] == "ab"
    assert events["inside"]["parent_id"] == span_id["stream"]
    assert events["use a"]["parent_id"] == events["use b"]["parent_id"] == span_id["caller"]


def test_an_async_generator_left_by_break_is_logged(memory: MemoryTransport) -> None:
    @driftline.observe
    async def stream() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    async def main() -> None:
        async for _ in stream():
            break
        for _ in range(3):  # the loop closes dropped generators in its next turns
            await asyncio.sleep(0)

    asyncio.run(main())
    assert only(memory)["metadata"] == {"closed_early": "true"}


def test_an_async_generator_left_open_when_its_loop_ends_is_logged(
    memory: MemoryTransport,
) -> None:
    @driftline.observe
    async def stream() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    async def main() -> None:
        async for _ in stream():
            break

    asyncio.run(main())
    gc.collect()
    assert only(memory)["output"] == "a"


def test_an_error_in_an_async_generator_passes_through(memory: MemoryTransport) -> None:
    @driftline.observe
    async def stream() -> AsyncIterator[str]:
        yield "a"
        raise LookupError("lost")

    async def main() -> None:
        with pytest.raises(LookupError):
            async for _ in stream():
                pass

    asyncio.run(main())
    event = only(memory)
    assert (event["output"], event["error"]) == ("a", "LookupError: lost")


@pytest.mark.parametrize("call", [len, str.upper, dict])
def test_callables_without_a_plain_signature_can_be_observed(
    memory: MemoryTransport, call: Callable[[Any], Any]
) -> None:
    assert driftline.observe(call)("ab" if call is not dict else {}) is not None
    assert only(memory)["output"] is not None


def test_a_function_called_in_itself_makes_a_chain_of_spans(memory: MemoryTransport) -> None:
    @driftline.observe(name="f")
    def f(n: int) -> int:
        return 0 if n == 0 else 1 + f(n - 1)

    assert f(3) == 3
    assert driftline.flush()
    assert len({event["trace_id"] for event in memory.events}) == 1
    assert len(memory.events) == 4
