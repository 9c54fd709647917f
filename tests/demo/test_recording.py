"""What a replay reads, and the ids and times it gives."""

import datetime as dt
import gzip
import json
import uuid
from pathlib import Path

import pytest

from driftline.demo.recording import SERVED_NAME, demo_recordings, plan, read
from driftline.sdk.errors import ConfigError

NOW = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
DAY = 86_400.0


def test_the_demo_holds_its_phases_in_order_and_the_control_differs_in_the_last_only() -> None:
    changed, control = demo_recordings(True), demo_recordings(False)
    assert [r.phase for r in changed] == ["baseline"] * 120 + ["calm"] * 60 + ["changed"] * 60
    assert changed[:180] == control[:180]
    assert {r.phase for r in control[180:]} == {"control"}


def test_people_found_more_hallucination_in_the_small_models_answers() -> None:
    shares: dict[str, list[bool | None]] = {}
    for recording in demo_recordings(True):
        shares.setdefault(recording.phase, []).append(recording.hallucinated)
    means = {phase: sum(map(bool, found)) / len(found) for phase, found in shares.items()}
    assert means["changed"] > means["baseline"] > 0.2


def test_the_change_is_silent_the_model_keeps_its_name() -> None:
    assert {r.fields["model"] for r in demo_recordings(True)} == {SERVED_NAME}


def test_ids_are_uuid7_in_the_order_of_events_and_carry_their_time() -> None:
    planned = plan(demo_recordings(True), "run", NOW, 3 * DAY)
    ids = [uuid.UUID(event.id) for event in planned]
    assert ids == sorted(ids) and len(set(ids)) == len(ids)
    assert {i.version for i in ids} == {7} and {i.variant for i in ids} == {uuid.RFC_4122}
    for event, made in zip(planned, ids, strict=True):
        assert made.int >> 80 == round(event.start.timestamp() * 1000)
    assert planned[0].start == NOW - dt.timedelta(days=3)
    assert planned[-1].start < NOW


def test_the_same_run_gives_the_same_ids_and_another_run_others() -> None:
    first, again = (plan(demo_recordings(True), "run", NOW, DAY) for _ in range(2))
    other = plan(demo_recordings(True), "other", NOW, DAY)
    assert first == again
    assert not {e.id for e in first} & {e.id for e in other}


def test_events_closer_than_a_millisecond_keep_their_order() -> None:
    planned = plan(demo_recordings(True), "run", NOW, 0.0)
    assert [e.id for e in planned] == sorted(e.id for e in planned)


def wire(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    return path


def test_recorded_events_keep_their_fields_and_the_proportions_of_their_times(
    tmp_path: Path,
) -> None:
    times = ["2020-01-01T00:00:00Z", "2020-01-01T00:00:10Z", "2020-01-01T00:01:40Z"]
    rows: list[dict[str, object]] = [
        {"id": f"e{n}", "start_time": time, "output": str(n)} for n, time in enumerate(times)
    ]
    rows[0]["end_time"] = "2020-01-01T00:00:02Z"
    planned = plan(read(wire(tmp_path / "t.gz", rows[::-1]), True), "run", NOW, 300.0)
    assert [e.recording.fields for e in planned] == [{"output": str(n)} for n in range(3)]
    gaps = [(planned[n].start - planned[0].start).total_seconds() for n in (1, 2)]
    assert gaps[1] / gaps[0] == pytest.approx(10, rel=1e-3)
    assert (planned[0].end - planned[0].start).total_seconds() == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "no events"), ("{}\n[1]", "line 2 is not a JSON object"), ("{", "line 1 is not JSON")],
)
def test_a_file_that_is_no_recording_is_named_with_its_line(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read(path, True)


def test_a_time_that_is_none_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 1: 'noon' is not a time"):
        read(wire(tmp_path / "t.gz", [{"start_time": "noon"}]), True)
