"""The demo empties only a directory that it made."""

from pathlib import Path

import pytest

from driftline.demo.stage import MARKER, clear, refuse_foreign
from driftline.sdk.errors import ConfigError


def test_a_directory_with_other_peoples_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="holds something else than a demo"):
        refuse_foreign(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_an_absent_an_empty_and_an_earlier_demos_directory_are_taken(tmp_path: Path) -> None:
    refuse_foreign(tmp_path / "absent")
    refuse_foreign(tmp_path)
    clear(tmp_path)
    (tmp_path / "control.db").touch()
    refuse_foreign(tmp_path)


def test_clearing_removes_files_and_folders_but_follows_no_link(tmp_path: Path) -> None:
    elsewhere, home = tmp_path / "elsewhere", tmp_path / "home"
    (home / "clickhouse").mkdir(parents=True)
    (home / "clickhouse" / "part").touch()
    (home / "up.lock").write_text("1")
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    (home / "link").symlink_to(elsewhere)
    clear(home)
    assert {path.name for path in home.iterdir()} == {MARKER, "up.lock"}
    assert (elsewhere / "kept").exists()
