"""The Arrow stream of a window's side."""

import io

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import ipc

from driftline.metrics.features import FeaturesError, present, read_features

SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("prompt", pa.list_(pa.float32())),
        ("response", pa.list_(pa.float32())),
        ("scores", pa.map_(pa.string(), pa.float64())),
    ]
)


def stream(rows: list[dict[str, object]], schema: pa.Schema = SCHEMA) -> bytes:
    sink = io.BytesIO()
    with ipc.new_stream(sink, schema) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    return sink.getvalue()


def event(name: str, prompt: object, response: object, scores: object) -> dict[str, object]:
    return {"event_id": name, "prompt": prompt, "response": response, "scores": scores}


def test_vectors_and_scores_come_back_in_event_order() -> None:
    found = read_features(
        stream([event("a", [1, 2], [3, 4], {"x": 1.0}), event("b", [5, 6], [7, 8], {"x": 2.0})])
    )
    assert found.event_ids == ["a", "b"]
    assert found.prompt.dtype == np.float32
    np.testing.assert_array_equal(found.prompt, [[1, 2], [5, 6]])
    np.testing.assert_array_equal(found.response, [[3, 4], [7, 8]])
    np.testing.assert_array_equal(found.score("x"), [1, 2])


@pytest.mark.parametrize("missing", [None, [], [1.0], [1.0, 2.0, 3.0]], ids=str)
def test_a_missing_embedding_or_one_of_another_length_is_nan(missing: object) -> None:
    rows = [event(str(i), [1, 2], [3, 4], {}) for i in range(2)]
    found = read_features(stream([*rows, event("c", missing, [5, 6], {})]))
    assert present(found.prompt).tolist() == [True, True, False]
    assert present(found.response).all()


def test_a_missing_score_is_nan_and_an_unknown_one_all_nan() -> None:
    found = read_features(
        stream([event("a", None, None, {"x": 1.0}), event("b", None, None, {"x": None, "y": 2.0})])
    )
    np.testing.assert_array_equal(found.score("x"), [1.0, np.nan])
    np.testing.assert_array_equal(found.score("y"), [np.nan, 2.0])
    np.testing.assert_array_equal(found.score("z"), [np.nan, np.nan])
    assert found.prompt.shape == (2, 0)
    assert not present(found.prompt).any()


def test_no_events_are_no_error() -> None:
    found = read_features(stream([]))
    assert len(found) == 0
    assert found.scores == {}


@pytest.mark.parametrize("data", [b"", b"not arrow", b"\x00" * 100])
def test_bytes_that_are_no_stream_are_refused_in_words(data: bytes) -> None:
    with pytest.raises(FeaturesError, match="Arrow IPC stream"):
        read_features(data)


def test_a_stream_cut_short_is_refused() -> None:
    whole = stream([event("a", [1, 2], [3, 4], {"x": 1.0})])
    with pytest.raises(FeaturesError, match="Arrow IPC stream"):
        read_features(whole[: len(whole) // 2])


def test_a_lacking_column_is_named() -> None:
    with pytest.raises(FeaturesError, match="response"):
        read_features(stream([], pa.schema([("event_id", pa.string()), ("prompt", pa.string())])))
