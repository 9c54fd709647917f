"""Token rows and the batches made of them.

Rows are padded on the left, so all completions of a batch end at the same column and the model
needs to compute logits for that tail only: the 49,152-word output layer is a fifth of SmolLM2's
work. Labels are masked by length, never by the padding id: this tokenizer pads with its EOS token,
and a model whose EOS labels are masked unlearns to stop (TRL #1623).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from .rows import Row

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # torch.nn.functional.cross_entropy's ignore_index
BUCKET_BATCHES = 8  # rows of similar length are looked for among so many batches


@dataclass(frozen=True, slots=True)
class Tokens:
    """One row: the ids of the prompt and of the completion, EOS included."""

    prompt: list[int]
    completion: list[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)


@dataclass(frozen=True, slots=True)
class Batch:
    """Ids, attention mask, position ids (B, L); `labels` (B, T) are of the last T columns."""

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    position_ids: torch.Tensor
    labels: torch.Tensor


def tokenize(rows: Iterable[Row], tokenizer: PreTrainedTokenizerBase) -> list[Tokens]:
    return [Tokens(ids(row.prompt, tokenizer), ids(row.completion, tokenizer)) for row in rows]


def ids(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids without the specials that a tokenizer adds: the template holds them already."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def collate(rows: Sequence[Tokens], pad_id: int, device: torch.device) -> Batch:
    """A left-padded batch."""
    width = max(len(row) for row in rows)
    tail = max(len(row.completion) for row in rows)
    inputs = torch.full((len(rows), width), pad_id, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    labels = torch.full((len(rows), tail), IGNORED, dtype=torch.long)
    for i, row in enumerate(rows):
        inputs[i, width - len(row) :] = torch.tensor(row.prompt + row.completion)
        mask[i, width - len(row) :] = 1
        labels[i, tail - len(row.completion) :] = torch.tensor(row.completion)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    return Batch(inputs.to(device), mask.to(device), positions.to(device), labels.to(device))


def epoch(lengths: Sequence[int], batch_size: int, seed: int, number: int) -> list[list[int]]:
    """The batches of epoch `number` as row indices: shuffled, each of rows of similar length.

    The same arguments give the same batches, so a resumed run continues where it was killed.
    """
    rng = random.Random(f"{seed}/{number}")
    order = list(range(len(lengths)))
    rng.shuffle(order)
    span = batch_size * BUCKET_BATCHES
    buckets = [
        sorted(order[i : i + span], key=lengths.__getitem__) for i in range(0, len(order), span)
    ]
    batches = [
        bucket[i : i + batch_size] for bucket in buckets for i in range(0, len(bucket), batch_size)
    ]
    rng.shuffle(batches)
    return batches


def batch_of_step(lengths: Sequence[int], batch_size: int, seed: int, step: int) -> list[int]:
    """The rows of optimiser step `step` (1, 2, ...), over as many epochs as that takes."""
    per_epoch = len(epoch(lengths, batch_size, seed, 0))
    number, index = divmod(step - 1, per_epoch)
    return epoch(lengths, batch_size, seed, number)[index]


def by_length(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """All rows once, longest first (a batch that does not fit into memory fails at once)."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
