"""A replay that was interrupted is the same run when it is started again."""

import datetime as dt
from pathlib import Path

import pytest

from driftline.demo.recording import Recording, demo_recordings, plan
from driftline.demo.replay import close_run, open_run
from driftline.sdk.errors import ConfigError

NOW = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(hours=3)


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    return demo_recordings(True)


@pytest.mark.parametrize("name", ["", "monday", "../../etc/passwd"])
def test_an_unfinished_run_goes_on_with_the_same_ids(
    tmp_path: Path, recordings: list[Recording], name: str
) -> None:
    first = open_run(tmp_path / "runs", name, recordings, NOW)
    again = open_run(tmp_path / "runs", name, recordings, LATER)
    assert (first.resumed, again.resumed) == (False, True)
    ids = [[e.id for e in plan(recordings, run.name, run.end, 60.0)] for run in (first, again)]
    assert ids[0] == ids[1]
    assert {path.parent for path in tmp_path.rglob("*.json")} == {tmp_path / "runs"}


def test_a_finished_run_is_followed_by_a_new_one(
    tmp_path: Path, recordings: list[Recording]
) -> None:
    first = open_run(tmp_path, "", recordings, NOW)
    close_run(tmp_path, "", recordings)
    second = open_run(tmp_path, "", recordings, LATER)
    assert not second.resumed and second.name != first.name


def test_other_traffic_is_another_run(tmp_path: Path, recordings: list[Recording]) -> None:
    open_run(tmp_path, "", recordings, NOW)
    assert not open_run(tmp_path, "", demo_recordings(False), NOW).resumed


def test_a_damaged_note_of_a_run_says_what_to_do(
    tmp_path: Path, recordings: list[Recording]
) -> None:
    open_run(tmp_path, "x", recordings, NOW)
    (note,) = tmp_path.glob("*.json")
    note.write_text("{")
    with pytest.raises(ConfigError, match="delete it to begin anew"):
        open_run(tmp_path, "x", recordings, NOW)
