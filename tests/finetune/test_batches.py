"""Batches: padding, labels and buckets."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from driftline.finetune.batches import IGNORED, Tokens, batch_of_step, collate, epoch

PAD = 2  # also the end of sequence, as in SmolLM2
LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=80)


def test_completions_end_at_the_same_column_and_only_they_have_labels() -> None:
    batch = collate(
        [Tokens([5, 6, 7], [8, PAD]), Tokens([5], [9, 9, PAD])], PAD, torch.device("cpu")
    )
    assert batch.input_ids.tolist() == [[5, 6, 7, 8, PAD], [PAD, 5, 9, 9, PAD]]
    assert batch.attention_mask.tolist() == [[1, 1, 1, 1, 1], [0, 1, 1, 1, 1]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 3, 4], [0, 0, 1, 2, 3]]
    assert batch.labels.tolist() == [[IGNORED, 8, PAD], [9, 9, PAD]]


def test_the_end_of_sequence_is_learned_although_it_is_the_padding() -> None:
    """A collator that masks the padding id unlearns to stop."""
    batch = collate([Tokens([5], [8, PAD]), Tokens([5, 5], [PAD])], PAD, torch.device("cpu"))
    assert batch.labels[:, -1].tolist() == [PAD, PAD]


@given(LENGTHS, st.integers(1, 9), st.integers(0, 99), st.integers(0, 5))
def test_an_epoch_holds_every_row_once(
    lengths: list[int], batch_size: int, seed: int, number: int
) -> None:
    batches = epoch(lengths, batch_size, seed, number)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert max(map(len, batches)) <= batch_size
    assert batches == epoch(lengths, batch_size, seed, number)


@given(LENGTHS, st.integers(1, 9), st.integers(0, 99))
def test_steps_run_through_epoch_after_epoch(
    lengths: list[int], batch_size: int, seed: int
) -> None:
    two = epoch(lengths, batch_size, seed, 0) + epoch(lengths, batch_size, seed, 1)
    steps = range(1, len(two) + 1)
    assert [batch_of_step(lengths, batch_size, seed, step) for step in steps] == two


def test_batches_hold_rows_of_similar_length() -> None:
    lengths = [i % 200 + 1 for i in range(200)]
    spread = [max(b) - min(b) for b in ([lengths[i] for i in x] for x in epoch(lengths, 4, 7, 0))]
    assert sum(spread) / len(spread) < 30  # unsorted batches of 4 spread by 120 on average
