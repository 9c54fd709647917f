"""Threads follow what other processes leave over."""

from collections.abc import Callable

import pytest

from driftline.metrics.cores import Cores, Usage, choose, taken_by_others, usage


def looks(*found: Usage | None) -> Callable[[], Usage | None]:
    left = iter(found)
    return lambda: next(left)


@pytest.mark.parametrize(
    ("available", "taken", "threads"),
    [(2, 0.0, 2), (2, 0.3, 2), (2, 0.5, 1), (2, 5.0, 1), (16, 1.1, 15), (16, 3.9, 12), (1, 0.9, 1)],
)
def test_others_cores_are_left_to_them(available: int, taken: float, threads: int) -> None:
    assert choose(available, taken) == threads


def test_own_work_is_not_others_work() -> None:
    assert taken_by_others(Usage(0, 0, 0), Usage(2, 4.0, 4.0)) == 0.0
    assert taken_by_others(Usage(0, 0, 0), Usage(2, 4.0, 1.0)) == 1.5


def test_the_number_falls_when_a_neighbour_works_and_rises_when_it_is_done() -> None:
    applied: list[int] = []
    cores = Cores(
        0,
        2,
        applied.append,
        looks(Usage(0, 0, 0), Usage(1, 2, 1), Usage(1.1, 2.1, 1.1), Usage(2, 3, 2), None),
    )
    for _ in range(4):
        cores.adjust()
    assert applied == [2, 1, 2]


def test_a_fixed_number_is_kept() -> None:
    applied: list[int] = []
    cores = Cores(3, 8, applied.append, looks(Usage(0, 0, 0), Usage(9, 72, 0)))
    cores.adjust()
    assert applied == [3]


def test_this_machine_can_be_looked_at() -> None:
    first = usage()
    second = usage()
    assert (first is None) == (second is None)
    if first and second:
        assert second.wall >= first.wall and second.machine >= first.machine
