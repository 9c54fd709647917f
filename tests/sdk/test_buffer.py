"""The queue between the app and the scribe: bounded; it wakes only a scribe that sleeps."""

import threading
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from driftline.sdk.buffer import Buffer
from driftline.sdk.event import Event
from driftline.sdk.scribe import (
    CROWDED_BYTES,
    CROWDED_SLICE_BYTES,
    MAX_SLICE_ROWS,
    SLICE_ROWS,
    slice_rows,
)
from driftline.sdk.testing import START_US, CountingIds

Wait = Callable[[Callable[[], bool], str], None]


def line(text: str = "x") -> Event:
    event = Event(CountingIds().new(START_US), "", "", START_US)
    event.update({"output": text})
    return event


def test_lines_come_out_in_order() -> None:
    buffer = Buffer(100, 1 << 20)
    lines = [line(str(n)) for n in range(10)]
    for each in lines:
        assert buffer.put(each)
    assert [*buffer.take(4), *buffer.take(100)] == lines
    assert buffer.puts == 10 and len(buffer) == 0


def test_it_is_bounded_in_rows_and_in_bytes_and_takes_one_line_of_any_size() -> None:
    rows = Buffer(2, 1 << 20)
    assert [rows.put(line()) for _ in range(3)] == [True, True, False]
    size = Buffer(100, 2000)
    assert [size.put(line("x" * 5000)), size.put(line())] == [True, False]
    size.take(10)
    assert size.put(line())


def test_a_line_wakes_a_scribe_that_sleeps(wait_for: Wait) -> None:
    buffer = Buffer(10, 1 << 20)
    sleeper = threading.Thread(target=buffer.sleep, args=(None,))
    sleeper.start()
    wait_for(lambda: buffer._asleep, "the sleeper sleeps")
    buffer.put(line())
    sleeper.join(20)
    assert not sleeper.is_alive()


def test_a_line_that_came_before_the_sleep_is_not_slept_over() -> None:
    buffer = Buffer(10, 1 << 20)
    buffer.put(line())
    buffer.sleep(None)
    assert len(buffer) == 1


def test_a_line_does_not_ring_while_the_scribe_is_awake() -> None:
    buffer = Buffer(10, 1 << 20)
    buffer.put(line())
    assert buffer.bell.empty()


@given(st.integers(1, 50_000), st.integers(1, 8 << 20))
def test_a_slice_grows_with_what_waits_but_never_to_a_copy_of_it(waiting: int, each: int) -> None:
    rows = slice_rows(waiting, waiting * each)
    assert rows >= 1
    if waiting * each > CROWDED_BYTES:
        assert (rows - 1) * each <= CROWDED_SLICE_BYTES
    else:
        assert SLICE_ROWS <= rows <= MAX_SLICE_ROWS
