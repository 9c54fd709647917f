"""Counters that lose nothing to threads and interruptions."""

import signal
import threading
from types import FrameType

from driftline.sdk.tally import FOLD_AT, Tally


def test_additions_of_many_threads_add_up() -> None:
    tally: Tally[str] = Tally()
    threads = [
        threading.Thread(target=lambda: [tally.add("x") for _ in range(5_000)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally.counts() == {"x": 40_000}


def test_additions_by_a_signal_handler_in_the_middle_of_one_add_up() -> None:
    tally: Tally[str] = Tally()

    def handler(number: int, frame: FrameType | None) -> None:
        tally.add("handler")
        seen.append(1)

    seen: list[int] = []
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    added = 0
    while len(seen) < 100:
        tally.add("main")
        added += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    assert tally.counts() == {"main": added, "handler": len(seen)}


def test_memory_does_not_grow_with_the_number_of_additions() -> None:
    tally: Tally[str] = Tally()
    for _ in range(FOLD_AT * 10):
        tally.add("x", 2)
    assert len(tally._news) <= FOLD_AT
    assert tally.counts() == {"x": FOLD_AT * 20}
