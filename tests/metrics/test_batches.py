"""Batches by length, and halving where memory runs out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.metrics.batches import by_length, halving, is_out_of_memory

LENGTHS = st.lists(st.integers(1, 300), max_size=40)


@given(LENGTHS, st.integers(1, 1000))
def test_every_row_is_in_one_batch(lengths: list[int], budget: int) -> None:
    batches = by_length(lengths, budget)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))


@given(LENGTHS, st.integers(1, 1000))
def test_a_padded_batch_keeps_to_the_budget_unless_it_is_one_row(
    lengths: list[int], budget: int
) -> None:
    for batch in by_length(lengths, budget):
        padded = max(lengths[index] for index in batch) * len(batch)
        assert len(batch) == 1 or padded <= budget


def test_rows_of_like_length_come_together_longest_first() -> None:
    assert by_length([5, 90, 6, 100], 200) == [[3, 1], [2, 0]]


@given(st.lists(st.integers(), max_size=30), st.integers(1, 8))
def test_halving_gives_each_items_result_in_order(items: list[int], fits: int) -> None:
    tried: list[int] = []

    def run(batch: list[int]) -> list[int]:
        tried.append(len(batch))
        if len(batch) > fits:
            raise MemoryError
        return [2 * item for item in batch]

    assert halving(run, items) == [2 * item for item in items]
    assert tried[0] == len(items)


def test_one_item_that_does_not_fit_is_an_error() -> None:
    def run(batch: list[int]) -> list[int]:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    with pytest.raises(RuntimeError, match="out of memory"):
        halving(run, [1, 2])


def test_an_error_that_is_not_about_memory_is_not_tried_again() -> None:
    tried: list[int] = []

    def run(batch: list[int]) -> list[int]:
        tried.append(len(batch))
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        halving(run, [1, 2])
    assert tried == [2]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory"),
    ],
)
def test_the_ways_to_say_that_memory_ran_out(error: Exception) -> None:
    assert is_out_of_memory(error)
