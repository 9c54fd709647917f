"""The spool's folder: bounded, private, and each file with one owner."""

import os
import stat
from pathlib import Path

from driftline.sdk.spool import Spool, folder_for

LINES = [b'{"type":"event","n":%d}' % n for n in range(10)]
MIB = 1 << 20


def spool(path: Path, max_bytes: int = MIB) -> Spool:
    return Spool(str(path / "spool"), max_bytes)


def drained(spool: Spool) -> list[bytes]:
    """All that is in its chains, acknowledged."""
    lines: list[bytes] = []
    for chain in (spool.own, spool.orphans):
        while (piece := chain.take(3, MIB)) is not None:
            lines.extend(piece.lines)
            chain.ack(piece)
    return lines


def files(path: Path) -> list[Path]:
    return sorted((path / "spool").glob("*"))


def test_nothing_is_written_before_the_first_line(tmp_path: Path) -> None:
    spool(tmp_path).close()
    assert not (tmp_path / "spool").exists()


def test_what_one_leaves_the_next_adopts_once(tmp_path: Path) -> None:
    first = spool(tmp_path)
    assert first.append(LINES) == 10
    second, third = spool(tmp_path), spool(tmp_path)
    assert second.adopt() == 0 and second.rows == 0  # its owner lives
    first.close()
    second.adopt()
    third.adopt()
    assert (second.rows, third.rows) == (10, 0)
    assert drained(second) == LINES
    second.close()
    third.close()
    assert files(tmp_path) == []


def test_many_files_are_adopted_a_few_at_a_time(tmp_path: Path) -> None:
    """A job that ran every minute of a long outage must not take the app's file descriptors."""
    for line in LINES * 4:
        each = spool(tmp_path)
        each.append([line])
        each.close()
    last, lines = spool(tmp_path), []
    last.more = True
    while last.more:
        last.adopt()
        assert 0 < last.rows <= 16
        lines += drained(last)
    assert lines == LINES * 4
    last.close()


def test_the_folder_is_private(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir(mode=0o755)
    made = spool(tmp_path)
    made.append(LINES)
    assert stat.S_IMODE(os.stat(made.folder).st_mode) == 0o700
    made.close()


def test_it_is_bounded_and_keeps_the_oldest(tmp_path: Path) -> None:
    small = spool(tmp_path, 200)
    kept = small.append(LINES)
    assert 0 < kept < 10
    assert small.append(LINES) == 0
    assert drained(small) == LINES[:kept]
    assert small.append(LINES[:2]) == 2  # there is room again
    small.close()


def test_the_bound_counts_what_others_left(tmp_path: Path) -> None:
    first = spool(tmp_path, 400)
    first.append(LINES)
    second = spool(tmp_path, 400)
    assert second.append(LINES) < 10
    first.close()
    second.close()


def test_reports_of_losses_find_room(tmp_path: Path) -> None:
    small = spool(tmp_path, 100)
    small.append(LINES)
    assert small.append([b'{"type":"loss"}'], bounded=False) == 1
    small.close()


def test_it_spans_segments_in_order(tmp_path: Path) -> None:
    made = spool(tmp_path, 8 * 100)  # segments of 100 bytes
    for line in LINES:
        made.append([line])
    assert len(files(tmp_path)) > 1
    assert drained(made) == LINES
    assert len(files(tmp_path)) == 1
    made.close()
    assert files(tmp_path) == []


def test_an_emptied_segment_gives_its_space_back(tmp_path: Path) -> None:
    made = spool(tmp_path, 64 * MIB)
    made.append([b"x" * MIB])
    assert len(drained(made)) == 1
    made.append([b"y"])
    assert files(tmp_path)[0].stat().st_size < 100
    made.close()


def test_each_collector_project_and_key_has_a_folder_of_its_own() -> None:
    def folder(url: str, project: str, key: str) -> str:
        return folder_for(url, project, key, {"XDG_STATE_HOME": "/state"})

    named = folder("http://a", "p", "sk-dl-id1-secret")
    others = [
        folder("http://b", "p", "sk-dl-id1-secret"),
        folder("http://a", "q", "sk-dl-id1-secret"),
        folder("http://a", "p", "sk-dl-id2-secret"),
        folder("http://a", "p", "another"),
    ]
    assert len({named, *others}) == 5
    assert named == folder("http://a", "p", "sk-dl-id1-other-secret")
    assert named.startswith("/state/driftline/spool/")
    assert "secret" not in named
    assert folder_for("u", "p", "k", {}, "/mine").startswith("/mine/")
