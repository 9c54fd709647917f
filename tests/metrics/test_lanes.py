"""Work side by side, one torch thread each."""

import threading

import pytest
import torch

from driftline.metrics.lanes import side_by_side

ITEMS = list(range(7))


@pytest.mark.parametrize("width", [1, 2, 3, 20])
def test_results_come_in_order(width: int) -> None:
    assert side_by_side(lambda n: n * n, ITEMS, width=lambda: width) == [n * n for n in ITEMS]


def test_two_lanes_run_at_the_same_time_and_no_more() -> None:
    both = threading.Barrier(2, timeout=30)
    inside: list[int] = []
    most: list[int] = []

    def run(item: int) -> int:
        inside.append(item)
        most.append(len(inside))
        both.wait()
        inside.remove(item)
        return item

    assert side_by_side(run, ITEMS[:6], width=lambda: 2) == ITEMS[:6]
    assert max(most) == 2


def test_a_lane_has_one_torch_thread_and_the_caller_keeps_its_own() -> None:
    before = torch.get_num_threads()
    assert side_by_side(lambda _: torch.get_num_threads(), ITEMS, width=lambda: 2) == [1] * 7
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("width", [1, 2])
def test_the_check_is_asked_before_each_item_and_may_stop_the_work(width: int) -> None:
    done: list[int] = []
    asked: list[int] = []

    def check() -> None:
        asked.append(1)
        if len(asked) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        side_by_side(done.append, ITEMS, check, width=lambda: width)
    assert sorted(done) == [0, 1, 2]


@pytest.mark.parametrize("width", [1, 2])
def test_an_error_reaches_the_caller(width: int) -> None:
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda n: 1 // (n - 3), ITEMS, width=lambda: width)


def test_fewer_cores_in_the_middle_of_the_work_mean_fewer_lanes() -> None:
    wide = [2]
    asked: list[int] = []
    inside: list[int] = []
    beside: dict[int, int] = {}

    def run(item: int) -> None:
        inside.append(item)
        beside[item] = len(inside)
        inside.remove(item)

    def check() -> None:
        asked.append(1)
        if len(asked) == 3:  # before item 2, which may still begin beside item 1
            wide[0] = 1

    side_by_side(run, ITEMS, check, width=lambda: wide[0])
    assert [beside[item] for item in ITEMS[3:]] == [1] * 4


def test_nothing_to_do_is_nothing() -> None:
    assert side_by_side(abs, [], width=lambda: 2) == []
