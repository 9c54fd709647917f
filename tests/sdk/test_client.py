"""`driftline.log`, `score`, sampling and statistics."""

import datetime
import uuid
from collections import Counter
from collections.abc import Callable

import pytest

import driftline
from driftline.sdk.client import Client
from driftline.sdk.settings import Settings
from driftline.sdk.testing import START_US, FixedClock, MemoryTransport

EAST = datetime.timezone(datetime.timedelta(hours=2))
ID = "01890a5d-ac96-774b-bcce-b302099a8057"


def test_log_sends_one_finished_event_of_kind_llm_by_default(memory: MemoryTransport) -> None:
    id = driftline.log(input="q", output="a", model="m", name="answer")
    assert driftline.flush()
    (event,) = memory.events
    assert event["id"] == id and uuid.UUID(id).version == 7
    assert "kind" not in event  # the collector's default is llm
    assert (event["input"], event["output"], event["model"]) == ("q", "a", "m")


@pytest.mark.parametrize(
    "moment",
    [
        datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=datetime.UTC),
        datetime.datetime(2023, 11, 15, 0, 13, 20, tzinfo=EAST),
        1_700_000_000,
        1_700_000_000.0,
    ],
)  # fmt: skip
def test_history_is_replayed_with_its_own_times(
    memory: MemoryTransport, moment: datetime.datetime | float
) -> None:
    id = driftline.log(input="q", start_time=moment, end_time=1_700_000_002.5)
    assert driftline.flush()
    (event,) = memory.events
    assert event["start_time"] == 1_700_000_000_000_000
    assert event["end_time"] == 1_700_000_002_500_000
    assert uuid.UUID(id).int >> 80 == 1_700_000_000_000


def test_an_id_of_the_caller_is_used(memory: MemoryTransport) -> None:
    assert driftline.log(id=ID, input="q") == ID
    assert driftline.flush()
    assert memory.events[0]["id"] == ID
    assert memory.events[0]["trace_id"] == ID.replace("-", "")


def test_an_id_that_is_no_uuid7_is_refused(memory: MemoryTransport) -> None:
    with pytest.raises(ValueError, match="UUIDv7"):
        driftline.log(id=str(uuid.uuid4()), input="q")


def test_in_production_a_wrong_call_is_counted_and_neighbours_arrive(
    memory: MemoryTransport, leave_pytest: Callable[[], None]
) -> None:
    leave_pytest()
    driftline.log(id="nonsense", input="q")
    driftline.log(start_time="yesterday", input="q")  # type: ignore[arg-type]
    driftline.log(input="good")
    assert driftline.flush()
    assert [event["input"] for event in memory.events] == ["good"]
    assert driftline.stats().lost == {"invalid": 2} == memory.losses


def test_log_inside_a_span_is_its_child(memory: MemoryTransport) -> None:
    with driftline.span("outer") as outer:
        driftline.log(name="inner", input="q")
    assert driftline.flush()
    inner = next(event for event in memory.events if event["name"] == "inner")
    assert (inner["trace_id"], inner["parent_id"]) == (outer.trace_id, outer.span_id)


def test_a_score_names_its_event(memory: MemoryTransport) -> None:
    driftline.score("thumbs", 1, ID, label="up", explanation="the user said so", source="human")
    with driftline.span("answer") as span:
        driftline.score("length", 12.5)
        span.score("own", None, explanation="no context")
    assert driftline.flush()
    assert memory.scores == [
        {
            "type": "score",
            "event_id": ID,
            "name": "thumbs",
            "value": 1.0,
            "label": "up",
            "explanation": "the user said so",
            "source": "human",
        },
        {"type": "score", "event_id": span.id, "name": "length", "value": 12.5, "source": "app"},
        {
            "type": "score",
            "event_id": span.id,
            "name": "own",
            "value": None,
            "explanation": "no context",
            "source": "app",
        },
    ]


def test_a_score_that_is_no_number_is_null(memory: MemoryTransport) -> None:
    driftline.score("ratio", float("nan"), ID)
    assert driftline.flush()
    assert memory.scores[0]["value"] is None


def test_a_score_outside_of_a_span_needs_an_event(memory: MemoryTransport) -> None:
    with pytest.raises(ValueError, match="event_id"):
        driftline.score("x", 1)


def test_sampling_keeps_whole_traces_and_their_weight() -> None:
    memory = MemoryTransport()
    driftline.init(transport=memory, sample_rate=0.25)
    for _ in range(2_000):
        with driftline.span("outer"), driftline.span("inner"):
            driftline.score("s", 1)
    assert driftline.flush()
    sizes = Counter(event["trace_id"] for event in memory.events)
    assert set(sizes.values()) == {2}
    assert 400 < len(sizes) < 600  # 2000 · 0.25 ± 5 standard deviations
    assert {event["sample_weight"] for event in memory.events} == {4.0}
    assert len(memory.scores) == len(sizes)
    assert driftline.stats().sampled_out == 3 * (2_000 - len(sizes))
    assert driftline.stats().lost == {}


def test_two_processes_keep_the_same_traces() -> None:
    """The choice is a function of the trace's id alone."""
    kept = []
    for _ in range(2):
        memory = MemoryTransport()
        client = Client(Settings(sample_rate=0.5), transport=memory)
        for number in range(200):
            client.log(trace_id=f"{number:032x}", input="q")
        client.shutdown()
        kept.append({event["trace_id"] for event in memory.events})
    assert kept[0] == kept[1] and 50 < len(kept[0]) < 150


def test_a_rate_of_zero_keeps_nothing() -> None:
    memory = MemoryTransport()
    driftline.init(transport=memory, sample_rate=0.0)
    driftline.log(input="q")
    assert driftline.flush() and memory.calls == []


def test_stats_say_what_became_of_everything(memory: MemoryTransport) -> None:
    for _ in range(3):
        driftline.log(input="q")
    assert driftline.flush()
    stats = driftline.stats()
    assert (stats.accepted, stats.queued, stats.lost) == (3, 0, {})


def test_what_is_logged_after_shutdown_is_counted(memory: MemoryTransport) -> None:
    driftline.log(input="before")
    driftline.shutdown()
    driftline.log(input="after")
    assert [event["input"] for event in memory.events] == ["before"]
    assert driftline.stats().lost == {"closed": 1}


def test_the_clock_is_a_parameter() -> None:
    memory = MemoryTransport()
    driftline.init(transport=memory, clock=FixedClock())
    driftline.log(input="q")
    assert driftline.flush()
    assert memory.events[0]["start_time"] == START_US
