"""One file of the spool: what is read back, whatever happened to its owner or its bytes."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.sdk.segment import HEADER, RECORD, Segment, frame, parse

LINES = [b'{"n":%d}' % n for n in range(5)]


@pytest.fixture
def left(tmp_path: Path) -> Iterator[Path]:
    """The file of a process that wrote LINES and died."""
    segment = Segment.create(str(tmp_path))
    segment.append(frame(LINES), len(LINES))
    segment.close()
    yield Path(segment.path)


def adopted(path: Path) -> Segment:
    segment = Segment.adopt(str(path))
    assert segment is not None
    return segment


def test_what_was_appended_is_read_in_order(left: Path) -> None:
    segment = adopted(left)
    assert segment.rows == 5 and not segment.torn
    assert segment.read(3, 1 << 20).lines == tuple(LINES[:3])
    segment.close()


def test_what_is_acknowledged_is_not_read_again_by_the_next_owner(left: Path) -> None:
    first = adopted(left)
    first.ack(first.read(2, 1 << 20))
    first.close()
    second = adopted(left)
    assert second.read(10, 1 << 20).lines == tuple(LINES[2:])
    second.close()


def test_a_line_longer_than_a_read_comes_alone(tmp_path: Path) -> None:
    segment = Segment.create(str(tmp_path))
    segment.append(frame([b"x" * 1000, b"y"]), 2)
    assert [len(line) for line in segment.read(10, 64).lines] == [1000]
    segment.close()


def test_a_segment_has_one_owner(left: Path) -> None:
    owner = adopted(left)
    assert Segment.adopt(str(left)) is None
    owner.close()
    adopted(left).close()


def test_a_segment_is_for_its_user_only(left: Path) -> None:
    assert left.stat().st_mode & 0o777 == 0o600


def test_a_tail_torn_at_any_byte_costs_the_torn_record_alone(left: Path) -> None:
    whole = left.read_bytes()
    ends = [HEADER.size + len(frame(LINES[:n])) for n in range(len(LINES) + 1)]
    for size in range(HEADER.size, len(whole)):
        left.write_bytes(whole[:size])
        segment = adopted(left)
        complete = sum(end <= size for end in ends) - 1
        assert segment.read(10, 1 << 20).lines == tuple(LINES[:complete])
        assert segment.torn == (size not in ends)
        segment.close()


def test_a_damaged_record_is_counted_and_its_neighbours_are_read(left: Path) -> None:
    data = bytearray(left.read_bytes())
    data[HEADER.size + 2 * (RECORD.size + len(LINES[0])) + RECORD.size + 1] ^= 1
    left.write_bytes(data)
    segment = adopted(left)
    piece = segment.read(10, 1 << 20)
    assert (piece.rows, piece.damaged) == (5, 1)
    assert piece.lines == (*LINES[:2], *LINES[3:])
    segment.close()


def test_a_damaged_offset_sends_all_again(left: Path) -> None:
    data = bytearray(left.read_bytes())
    data[8:16] = (1 << 60).to_bytes(8, "little")
    left.write_bytes(data)
    segment = adopted(left)
    assert segment.read(10, 1 << 20).lines == tuple(LINES)
    segment.close()


def test_a_file_that_is_no_segment_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.seg"
    path.write_bytes(b"something else entirely")
    assert Segment.adopt(str(path)) is None
    assert (tmp_path / "x.seg.unknown").read_bytes() == b"something else entirely"


def test_a_file_without_a_header_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "x.seg"
    path.write_bytes(b"DRI")
    assert Segment.adopt(str(path)) is None
    assert not path.exists()


def test_a_rewound_segment_is_empty_and_goes_on(tmp_path: Path) -> None:
    segment = Segment.create(str(tmp_path))
    segment.append(frame(LINES), 5)
    segment.ack(segment.read(10, 1 << 20))
    segment.rewind()
    assert os.stat(segment.path).st_size == HEADER.size
    segment.append(frame([b"next"]), 1)
    segment.close()
    again = adopted(Path(segment.path))
    assert again.read(10, 1 << 20).lines == (b"next",)
    again.close()


@given(st.binary(max_size=200))
def test_parsing_anything_ends_and_invents_nothing(data: bytes) -> None:
    piece = parse(data, 10, check=True)
    assert piece.end <= len(data) and piece.rows >= len(piece.lines)


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=20))
def test_what_is_framed_is_parsed(lines: list[bytes]) -> None:
    piece = parse(frame(lines), 100, check=True)
    assert piece.lines == tuple(lines) and piece.damaged == 0
