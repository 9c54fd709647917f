"""Runs of a library that never says that they ended are sent all the same."""

from typing import Any

import pytest

import driftline
from driftline.sdk import runs
from driftline.sdk.runs import Runs
from driftline.sdk.testing import FixedClock, MemoryTransport

SCRIPT = """
import driftline
from driftline.sdk.runs import Runs
driftline.init()
run = Runs("a library").start("r-1", None, "left early", {"kind": "llm", "input": "Drift?"})
run.partial = lambda: {"output": "A "}
"""

FORKING = (
    SCRIPT
    + """
import os
if os.fork():
    os.wait()
"""
)


def test_a_forked_child_leaves_its_parents_runs_alone(sink: Any, run_script: Any) -> None:
    run_script(FORKING, DRIFTLINE_URL=sink.url, DRIFTLINE_API_KEY="k")
    assert len(sink.events) == 1


def test_at_exit_what_is_open_is_sent_as_far_as_it_came(sink: Any, run_script: Any) -> None:
    run_script(SCRIPT, DRIFTLINE_URL=sink.url, DRIFTLINE_API_KEY="k")
    (event,) = sink.events
    assert (event["input"], event["output"]) == ("Drift?", "A ")
    assert event["metadata"] == {"unfinished": "true"}


def test_too_many_and_too_old_runs_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    memory, clock = MemoryTransport(), FixedClock()
    driftline.init(transport=memory, clock=clock)
    monkeypatch.setattr(runs, "MAX_OPEN", 3)
    some = Runs("a library")
    for number in range(5):
        some.start(number, None, f"call {number}", {"kind": "llm"})
    assert driftline.flush()
    assert [event["name"] for event in memory.events] == ["call 0", "call 1"]
    clock.advance(runs.MAX_AGE_SECONDS + 1)
    some.start("later", None, "later", {"kind": "llm"})
    some.end("later")
    some.end("never started")
    assert driftline.flush()
    assert [event["name"] for event in memory.events[2:]] == ["call 2", "later"]
    some.close()


def test_a_child_finds_a_parent_that_has_ended(memory: MemoryTransport) -> None:
    some = Runs("a library")
    parent = some.start("p", None, "query", {"kind": "chain"})
    some.start("r", "p", "retrieve", {"kind": "retrieval"})
    some.retrieved("r", ["A passage."])
    some.end("r")
    some.end("p")
    some.start("c", "p", "answer", {"kind": "llm"})
    some.end("c", {"output": "A change."})
    assert driftline.flush()
    answer = memory.events[-1]
    assert answer["parent_id"] == parent.span.span_id and answer["context"] == ["A passage."]
