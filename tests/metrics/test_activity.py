"""Busy share, speed and cost of a worker, by a clock that the test moves."""

import pytest

from driftline.metrics.activity import Activity


class Hand:
    """A clock's hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_busy_share_is_of_the_time_so_far_and_then_of_the_last_minute() -> None:
    clock = Hand()
    activity = Activity(clock)
    with activity.work():
        clock.now += 3
    clock.now += 9
    assert activity.numbers().busy_share == pytest.approx(3 / 12)
    clock.now += 49.5
    assert activity.numbers().busy_share == pytest.approx(1.5 / 60)
    clock.now += 60
    assert activity.numbers().busy_share == 0


def test_work_in_hand_counts_as_work() -> None:
    clock = Hand()
    activity = Activity(clock)
    clock.now += 10
    with activity.work():
        clock.now += 30
        assert activity.working
        assert activity.numbers().busy_share == pytest.approx(30 / 40)
    assert not activity.working


def test_tokens_are_by_the_second_of_work_and_events_by_the_second() -> None:
    clock = Hand()
    activity = Activity(clock)
    for _ in range(2):
        with activity.work():
            clock.now += 5
            activity.count(events=20, tokens=4000)
        clock.now += 5
    numbers = activity.numbers()
    assert numbers.tokens_per_second == pytest.approx(800)
    assert numbers.events_per_second == pytest.approx(2)


def test_an_event_costs_its_share_of_the_machine_idle_time_included() -> None:
    clock = Hand()
    activity = Activity(clock, cost_per_hour=2.0)
    assert activity.numbers().cost_per_1000_events is None
    with activity.work():
        clock.now += 900
        activity.count(events=4000, tokens=0)
    clock.now += 900
    assert activity.numbers().cost_per_1000_events == pytest.approx(0.25)


def test_without_a_price_the_cost_is_unknown() -> None:
    activity = Activity(Hand())
    with activity.work():
        activity.count(events=10, tokens=10)
    assert activity.numbers().cost_per_1000_events is None
