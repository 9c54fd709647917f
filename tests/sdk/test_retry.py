"""The retry schedule is pure, exponential, jittered and bounded."""

from hypothesis import given
from hypothesis import strategies as st

from driftline.sdk.retry import (
    BASE_SECONDS,
    CAP_SECONDS,
    MAX_RETRY_AFTER_SECONDS,
    delay,
    delays,
)


@given(st.integers(0, 10_000), st.none() | st.floats(0, 1e9))
def test_a_delay_is_positive_and_bounded_whatever_the_server_says(
    attempt: int, retry_after: float | None
) -> None:
    seconds = delay(attempt, retry_after)
    assert BASE_SECONDS / 2 <= seconds <= max(CAP_SECONDS, MAX_RETRY_AFTER_SECONDS)


def test_the_ceiling_doubles_up_to_the_cap() -> None:
    ceilings = [delay(attempt, None, lambda low, high: high) for attempt in range(10)]
    assert ceilings[:4] == [0.2, 0.4, 0.8, 1.6]
    assert ceilings[-1] == CAP_SECONDS


def test_retry_after_is_a_minimum() -> None:
    assert delay(0, 7.0) == 7.0
    assert delay(9, 0.001, lambda low, high: high) == CAP_SECONDS


def test_there_are_as_many_waits_as_retries() -> None:
    assert len(list(delays(4))) == 4
    assert list(delays(0)) == []
