"""Rows of other tools as our lines. Shapes as those tools write them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.transfer.formats import FORMATS, Source, converted, detect
from driftline.transfer.reading import read_rows
from driftline.transfer.values import BadRow, microseconds

SOURCE = Source("log.jsonl", 1_790_000_000_000_000)


def lines(row: dict[str, Any], at: int = 1) -> list[dict[str, Any]]:
    return converted(detect(row), row, SOURCE, at)


def line(row: dict[str, Any]) -> dict[str, Any]:
    (made,) = lines(row)
    return made


def test_a_logged_openai_call() -> None:
    made = line(
        {
            "request": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi?"}]},
            "response": {
                "id": "chatcmpl-1",
                "created": 1_790_000_001,
                "model": "gpt-4o-2024-08-06",
                "choices": [{"message": {"role": "assistant", "content": "Hello"}}],
                "usage": {
                    "prompt_tokens": 12,
                    "completion_tokens": 3,
                    "prompt_tokens_details": {"cached_tokens": 8},
                },
            },
        }
    )
    assert (made["input"], made["output"]) == ([{"role": "user", "content": "Hi?"}], "Hello")
    assert made["model"] == "gpt-4o-2024-08-06"
    assert made["usage"] == {"input": 12, "output": 3, "input_cached": 8}
    assert made["start_time"] == 1_790_000_001_000_000


def test_a_line_of_an_openai_batch_and_of_fine_tuning_data() -> None:
    batch = line(
        {
            "custom_id": "request-1",
            "response": {
                "status_code": 200,
                "body": {
                    "created": 1_790_000_001,
                    "choices": [{"message": {"role": "assistant", "content": "Hello"}}],
                },
            },
            "error": None,
        }
    )
    assert (batch["output"], batch.get("error")) == ("Hello", None)
    messages = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello"}]
    tuned = line({"messages": messages})
    assert (tuned["input"], tuned["output"]) == (messages[:1], "Hello")
    assert tuned["start_time"] == SOURCE.time
    with pytest.raises(BadRow):
        line({"custom_id": "request-2", "response": None})


LANGFUSE = {
    "id": "obs-2",
    "traceId": "trace-1",
    "type": "GENERATION",
    "name": "answer",
    "startTime": "2026-11-01T10:00:00.123Z",
    "endTime": "2026-11-01T10:00:01.123Z",
    "model": "gpt-4o",
    "input": [{"role": "user", "content": "Hi?"}],
    "output": {"role": "assistant", "content": "Hello"},
    "usageDetails": {"input": 12, "output": 3, "total": 15},
    "costDetails": {"total": 0.002},
    "metadata": {"shelf": "top"},
    "level": "ERROR",
    "statusMessage": "slow",
    "parentObservationId": "obs-1",
    "promptName": "greeting",
    "promptVersion": 4,
    "environment": "production",
}


def test_a_langfuse_observation_and_a_trace_that_holds_some() -> None:
    made = line(LANGFUSE)
    wanted = {
        "kind": "llm",
        "trace_id": "trace-1",
        "parent_id": "obs-1",
        "span_id": "obs-2",
        "cost": 0.002,
        "status": "error",
        "error": "slow",
        "prompt_name": "greeting",
        "prompt_version": "4",
        "environment": "production",
        "metadata": {"shelf": "top"},
        "usage": {"input": 12, "output": 3},
    }
    assert {name: made[name] for name in wanted} == wanted
    assert made["end_time"] - made["start_time"] == 1_000_000
    alone = {k: v for k, v in LANGFUSE.items() if k != "traceId"}
    trace = {"id": "trace-9", "userId": "u1", "sessionId": "s1", "observations": [alone]}
    (inside,) = lines(trace)
    assert (inside["trace_id"], inside["user_id"], inside["session_id"]) == ("trace-9", "u1", "s1")


def test_a_phoenix_span() -> None:
    message = {"message.role": "user", "message.content": "Hi?"}
    made = line(
        {
            "context.span_id": "5b8aa5a2d2c872e8",
            "context.trace_id": "5b8aa5a2d2c872e8321cf37308d69df2",
            "parent_id": "051581bf3cb55c13",
            "span_kind": "LLM",
            "name": "ChatCompletion",
            "start_time": datetime(2026, 11, 1, 10, tzinfo=UTC),
            "end_time": datetime(2026, 11, 1, 10, 0, 1, tzinfo=UTC),
            "status_code": "OK",
            "attributes.llm.model_name": "gpt-4o",
            "attributes.llm.input_messages": [{"message": message}],
            "attributes.output.value": "Hello",
            "attributes.llm.token_count.prompt": 12.0,
            "attributes.llm.token_count.completion": 3.0,
            "attributes.session.id": "s1",
            "attributes.retrieval.documents": [{"document": {"content": "a passage"}}],
        }
    )
    assert made["input"] == [{"role": "user", "content": "Hi?"}]
    assert (made["output"], made["model"], made["session_id"]) == ("Hello", "gpt-4o", "s1")
    assert made["usage"] == {"input": 12, "output": 3}
    assert made["context"] == ["a passage"]
    assert (made["parent_id"], made["status"]) == ("051581bf3cb55c13", "ok")


def test_the_same_row_has_the_same_id_and_equal_rows_have_two() -> None:
    row = {"input": "a", "output": "b"}
    assert lines(row)[0]["id"] == lines(row)[0]["id"]
    assert lines(row, at=1)[0]["id"] != lines(row, at=2)[0]["id"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-01T10:00:00Z", 1_793_527_200_000_000),
        ("2026-11-01 11:00:00+01:00", 1_793_527_200_000_000),
        (1_793_527_200, 1_793_527_200_000_000),
        ("1793527200.5", 1_793_527_200_500_000),
        (1_793_527_200_000, 1_793_527_200_000_000),
        (1_793_527_200_000_000, 1_793_527_200_000_000),
        (1_793_527_200_000_000_000, 1_793_527_200_000_000),
        ("", None),
        (None, None),
    ],
)
def test_times_in_every_unit(value: object, expected: int | None) -> None:
    assert microseconds(value, "t") == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=12,
)
NAMES = st.sampled_from(
    """id type start_time input messages output request response choices traceId observations usage
    metadata custom_id context.span_id scores attributes.llm.input_messages cost latency_ms error
    created context""".split()  # noqa: SIM905
)


@given(st.dictionaries(NAMES, JSON, max_size=8))
def test_any_object_becomes_lines_or_a_bad_row(row: dict[str, Any]) -> None:
    for name in FORMATS:
        try:
            made = converted(name, row, SOURCE, 1)
        except BadRow as error:
            assert error.message
        else:
            json.dumps(made, default=str)


def test_files_of_every_kind_are_read(tmp_path: Path) -> None:
    rows = [{"input": "a"}, {"input": "b"}]
    listed, lined = tmp_path / "list.json", tmp_path / "lines.jsonl"
    listed.write_text(json.dumps(rows, indent=1))
    lined.write_text('{"input": "a"}\n\n{broken\n{"input": "b"}\n[1]\n')
    wrapped = tmp_path / "wrapped.json"
    wrapped.write_text(json.dumps({"data": rows, "meta": {}}, indent=1))
    assert [raw.values for raw in read_rows(listed)] == rows
    assert [raw.values for raw in read_rows(wrapped)] == rows
    found = list(read_rows(lined))
    assert [(raw.number, bool(raw.error)) for raw in found] == [(1, 0), (2, 1), (3, 0), (4, 1)]
