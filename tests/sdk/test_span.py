"""`with driftline.span(...)`: one operation, its fields, its children."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import driftline
from driftline.sdk import context
from driftline.sdk.testing import START_US, CountingIds, FixedClock, MemoryTransport


def sent(memory: MemoryTransport) -> dict[str, dict[str, Any]]:
    """The events that arrived, by name."""
    assert driftline.flush()
    return {event["name"]: event for event in memory.events}


def test_a_span_is_one_event_with_what_was_set() -> None:
    memory, clock = MemoryTransport(), FixedClock()
    driftline.init(transport=memory, clock=clock, ids=CountingIds(), environment="staging")
    with driftline.span("answer", kind="llm", input="What?", tags=["a"]) as span:
        clock.advance(0.25)
        span.first_token()
        clock.advance(0.75)
        span.set(output="That.", model="llama-2-7b", usage={"input": 3}, metadata={"k": 1})
        span.set(usage={"output": 5}, metadata={"l": [1]}, tags=["b"], context=["passage"])
    assert driftline.flush()
    assert memory.events == [
        {
            "type": "event",
            "id": span.id,
            "trace_id": span.id.replace("-", ""),
            "start_time": START_US,
            "end_time": START_US + 1_000_000,
            "environment": "staging",
            "name": "answer",
            "kind": "llm",
            "input": "What?",
            "output": "That.",
            "model": "llama-2-7b",
            "usage": {"input": 3, "output": 5},
            "metadata": {"k": "1", "l": "[1]"},
            "tags": ["a", "b"],
            "context": ["passage"],
            "time_to_first_token_ms": 250.0,
        }
    ]


def test_an_inner_span_is_a_child_in_the_same_trace(memory: MemoryTransport) -> None:
    with driftline.span("outer") as outer, driftline.span("inner"):
        pass
    events = sent(memory)
    assert (
        events["inner"]["parent_id"]
        == outer.span_id
        == events["outer"]["id"][-17:].replace("-", "")
    )
    assert events["inner"]["trace_id"] == events["outer"]["trace_id"]
    assert "parent_id" not in events["outer"]


def test_children_inherit_session_user_and_variant(memory: MemoryTransport) -> None:
    with driftline.span("outer", session_id="s", user_id="u") as outer:
        outer.set(variant="B")
        with driftline.span("inner"):
            pass
    inner = sent(memory)["inner"]
    assert (inner["session_id"], inner["user_id"], inner["variant"]) == ("s", "u", "B")


def test_an_exception_is_recorded_and_raised_unchanged(memory: MemoryTransport) -> None:
    error = KeyError("gone")
    with pytest.raises(KeyError) as caught, driftline.span("bad"):
        raise error
    assert caught.value is error
    event = sent(memory)["bad"]
    assert (event["status"], event["error"]) == ("error", "KeyError: 'gone'")


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_exception_that_cannot_be_printed_is_named(memory: MemoryTransport) -> None:
    with pytest.raises(Unspeakable), driftline.span("bad"):
        raise Unspeakable
    assert sent(memory)["bad"]["error"] == "Unspeakable"


def test_a_span_works_as_an_async_context_manager(memory: MemoryTransport) -> None:
    async def main() -> None:
        async with driftline.span("a") as span:
            span.set(output="x")

    asyncio.run(main())
    assert sent(memory)["a"]["output"] == "x"


def test_tasks_of_a_group_are_children_of_the_span_that_started_them(
    memory: MemoryTransport,
) -> None:
    async def child(number: int, gate: asyncio.Barrier) -> None:
        with driftline.span(f"task {number}"):
            await gate.wait()  # all of them are open at once
            with driftline.span(f"leaf {number}"):
                await gate.wait()

    async def main() -> None:
        gate = asyncio.Barrier(5)
        with driftline.span("root"):
            async with asyncio.TaskGroup() as group:
                for number in range(5):
                    group.create_task(child(number, gate))

    asyncio.run(main())
    events = sent(memory)
    span_id = {name: event["id"][19:].replace("-", "") for name, event in events.items()}
    for number in range(5):
        assert events[f"task {number}"]["parent_id"] == span_id["root"]
        assert events[f"leaf {number}"]["parent_id"] == span_id[f"task {number}"]
    assert len({event["trace_id"] for event in events.values()}) == 1


def test_threads_do_not_share_the_current_span(memory: MemoryTransport) -> None:
    gate = threading.Barrier(4)

    def work(number: int) -> None:
        with driftline.span(f"outer {number}"):
            gate.wait(10)
            with driftline.span(f"inner {number}"):
                gate.wait(10)

    with ThreadPoolExecutor(4) as pool, driftline.span("main"):
        list(pool.map(work, range(4)))
    events = sent(memory)
    for number in range(4):
        inner, outer = events[f"inner {number}"], events[f"outer {number}"]
        assert inner["trace_id"] == outer["trace_id"] != events["main"]["trace_id"]


def test_a_copied_context_carries_the_span_into_a_thread(memory: MemoryTransport) -> None:
    def work() -> None:
        with driftline.span("inner"):
            pass

    with driftline.span("outer"):
        copied = contextvars.copy_context()
        thread = threading.Thread(target=copied.run, args=(work,))
        thread.start()
        thread.join()
    events = sent(memory)
    assert events["inner"]["trace_id"] == events["outer"]["trace_id"]


def test_a_trace_goes_on_in_another_process_by_its_ids(memory: MemoryTransport) -> None:
    remote = driftline.span("remote", trace_id="ab" * 16, parent_id="cd" * 8)
    with remote, driftline.span("inner"):
        pass
    events = sent(memory)
    assert events["remote"]["trace_id"] == "ab" * 16 == events["inner"]["trace_id"]
    assert events["remote"]["parent_id"] == "cd" * 8


def test_a_span_left_open_by_a_dropped_generator_does_not_stay_current(
    memory: MemoryTransport,
) -> None:
    def steps() -> Iterator[int]:
        with driftline.span("never finished"):
            yield 1
            yield 2

    with driftline.span("outer"):
        held = steps()
        next(held)
    assert context.current() is None
    del held
    assert context.current() is None
    assert sent(memory)["never finished"]["metadata"] == {"closed_early": "true"}


def test_a_span_closed_in_another_context_leaves_that_context_alone(
    memory: MemoryTransport,
) -> None:
    span = driftline.span("elsewhere")
    contextvars.copy_context().run(span.__enter__)
    with driftline.span("here") as here:
        span.__exit__(None, None, None)
        current = context.current()
        assert current is not None and current.event_id == here.id
    assert set(sent(memory)) == {"elsewhere", "here"}


def test_ending_twice_sends_once_and_setting_after_the_end_changes_nothing(
    memory: MemoryTransport,
) -> None:
    span = driftline.span("once", output="first")
    span.end()
    span.set(output="second")
    span.end()
    assert driftline.flush()
    assert [event["output"] for event in memory.events] == ["first"]


def test_a_wrong_field_is_an_error_under_test(memory: MemoryTransport) -> None:
    with driftline.span("x") as span:
        with pytest.raises(ValueError, match="unknown event field 'colour'"):
            span.set(colour="red")  # type: ignore[call-arg]
        with pytest.raises(ValueError, match="kind must be one of"):
            span.set(kind="banana")  # type: ignore[arg-type]


def test_in_production_only_the_wrong_field_is_left_out(
    memory: MemoryTransport, leave_pytest: Callable[[], None]
) -> None:
    leave_pytest()
    with driftline.span("x", kind="banana", output="kept") as span:  # type: ignore[arg-type]
        span.set(status="fine", tags=7, model="m")  # type: ignore[arg-type]
    event = sent(memory)["x"]
    assert event["output"] == "kept" and event["model"] == "m"
    assert not {"kind", "status", "tags"} & set(event)


def test_a_span_that_cannot_even_be_opened_is_inert_in_production(
    memory: MemoryTransport, leave_pytest: Callable[[], None]
) -> None:
    leave_pytest()
    with driftline.span("x", trace_id=7) as span:  # type: ignore[arg-type]
        span.set(output="y")
    assert driftline.flush()
    assert memory.events == []
    assert driftline.stats().lost == {"invalid": 1}


def test_a_field_over_a_mebibyte_is_cut_and_says_how_long_it_was(memory: MemoryTransport) -> None:
    with driftline.span("big", input="x" * 3_000_000):
        pass
    event = sent(memory)["big"]
    assert len(event["input"]) == 1 << 20
    assert event["truncated"] == {"input": 3000000}


def test_a_clock_that_goes_back_gives_no_negative_duration() -> None:
    memory, clock = MemoryTransport(), FixedClock()
    driftline.init(transport=memory, clock=clock)
    with driftline.span("x"):
        clock.advance(-5)
    event = sent(memory)["x"]
    assert event["end_time"] == event["start_time"]
