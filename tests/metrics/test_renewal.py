"""A lease is kept while its work moves on, and not for a function that never ends."""

import threading
import time

from driftline.metrics.renewal import Renewal
from driftline.sdk.api import Api

NOBODY = Api("http://127.0.0.1:9", "sk-dl-x", retries=0)  # renewals fail, which is no reason to end
LEASE_SECONDS = 0.03


def test_work_that_stands_still_ends_the_process() -> None:
    ended = threading.Event()
    with Renewal(NOBODY, "lea_x", LEASE_SECONDS, stall_seconds=0.2, end=ended.set):
        assert ended.wait(30)


def test_work_that_moves_on_is_left_alone_however_long_it_takes() -> None:
    ended, pause = threading.Event(), threading.Event()
    with Renewal(NOBODY, "lea_x", LEASE_SECONDS, stall_seconds=5.0, end=ended.set) as renewal:
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            renewal.moved()
            pause.wait(0.01)
        assert not ended.is_set()
        assert not renewal.lost.is_set()


def test_the_end_of_the_work_is_no_standstill() -> None:
    ended = threading.Event()
    with Renewal(NOBODY, "lea_x", LEASE_SECONDS, stall_seconds=0.2, end=ended.set):
        pass
    assert not ended.wait(0.5)
