"""Forward passes of a causal language model: the NLL of every wanted token of many rows.

Rows of like length share a batch within a budget of tokens; a beginning that rows have in common is
computed once and its keys and values are kept for all of them. Padding is on the right and needs no
mask: what comes after a token cannot change its NLL. The logits of a whole batch never exist.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from .batches import Budget, by_length
from .lanes import Check, side_by_side, unchecked
from .prefixes import LEAST_SHARED_TOKENS, families

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CHUNK_ROWS = 128  # of logits: 128 × 49,152 × 4 bytes = 25 MB, where 2,048 rows are 403 MB
BUDGET_TOKENS = {"cpu": 512, "cuda": 32768}  # of one padded batch; small ones share cores evenly
PAST_SHARE = 4  # a remembered token takes this part of the room of a new one in a batch
CACHED_TOKENS = {"cpu": 8192, "cuda": 131072}  # of beginnings at a time: 46 kB each with SmolLM2


class Row(NamedTuple):
    """Token ids, of which those from `first` on are scored; 1 ≤ first < len(ids)."""

    ids: Sequence[int]
    first: int


class _Batch(NamedTuple):
    """Rows, by index, whose first `known` tokens are in `past` (a cache of one sequence)."""

    members: list[int]
    known: int
    past: Any


@dataclass(slots=True)
class _Beginning:
    """What some rows share: its keys and values, and the NLL of its tokens after the first."""

    past: Any
    nll: list[float]


def token_nll(
    hidden: Tensor,
    head: Callable[[Tensor], Tensor],
    labels: Tensor,
    chunk_rows: int = CHUNK_ROWS,
) -> Tensor:
    """NLL in nats, float32 [n], of `labels` [n] under the logits `head(hidden)` [n, vocabulary].

    `hidden` is [n, width]; the logits exist for `chunk_rows` rows at a time only.
    """
    parts = []
    for start in range(0, len(labels), chunk_rows):
        logits = head(hidden[start : start + chunk_rows]).float()
        wanted = labels[start : start + chunk_rows]
        picked = logits.gather(1, wanted[:, None])[:, 0]
        parts.append(torch.logsumexp(logits, dim=1) - picked)
    return torch.cat(parts) if parts else hidden.new_zeros(0, dtype=torch.float32)


class Passes:
    """Runs one model on one device."""

    def __init__(
        self, model: PreTrainedModel, *, budget_tokens: int = 0, least_shared: int = 0
    ) -> None:
        """`budget_tokens` bounds a padded batch; 0 is the device's default.

        least_shared: beginnings of fewer tokens (2 or more) are not shared; 0: LEAST_SHARED_TOKENS.
        """
        kind = model.device.type
        self._decoder: Any = model.get_decoder()  # type: ignore[no-untyped-call]
        self._head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
        self._device = model.device
        self._budget = Budget(budget_tokens or BUDGET_TOKENS.get(kind, BUDGET_TOKENS["cpu"]))
        self._cached = CACHED_TOKENS.get(kind, CACHED_TOKENS["cpu"])
        self._least = least_shared or LEAST_SHARED_TOKENS
        self._shares = _keeps_all(model)

    def compile(self) -> None:
        """Let torch.compile make kernels for the decoder; the first passes take minutes."""
        self._decoder = torch.compile(self._decoder, dynamic=True)

    def nll(self, rows: Sequence[Row], check: Check = unchecked) -> list[list[float]]:
        """NLL (nats) of the scored tokens of each row, in order, whatever it is batched with.

        `check` is called before each pass and may raise to stop the work.
        """
        found: list[list[float]] = [[] for _ in rows]
        for batches in self._plan(rows, found, check):
            longest_first = sorted(batches, key=lambda b: -sum(len(rows[i].ids) for i in b.members))
            done = self._each(partial(self._batch, rows), longest_first, check)
            for batch, values in zip(longest_first, done, strict=True):
                for index, scored in zip(batch.members, values, strict=True):
                    found[index] += scored
        return found

    def _plan(
        self, rows: Sequence[Row], found: list[list[float]], check: Check
    ) -> Iterator[list[_Batch]]:
        """Batches to run now; the beginnings they need are computed, and scored into `found`."""
        least = self._least if self._shares else max((len(row.ids) for row in rows), default=0)
        kin = families([row.ids for row in rows], least)
        sizes = [family.shared for family in kin]
        for part in _portions(sizes, self._cached):
            chosen = [kin[index] for index in part]
            firsts = [rows[f.members[0]].ids[: f.shared] for f in chosen]
            beginnings = self._each(self._beginning, firsts, check)
            batches: list[_Batch] = []
            for family, beginning in zip(chosen, beginnings, strict=True):
                # The last shared token is run again in each row: its state predicts what differs.
                known = max(0, family.shared - 1)
                for index in family.members:
                    found[index] += beginning.nll[rows[index].first - 1 :]
                lengths = [
                    len(rows[index].ids) - known + known // PAST_SHARE for index in family.members
                ]
                batches += [
                    _Batch([family.members[place] for place in batch], known, beginning.past)
                    for batch in by_length(lengths, self._budget.now)
                ]
            yield batches

    def _each(self, run: Callable[[Any], Any], items: Sequence[Any], check: Check) -> list[Any]:
        """Side by side on a CPU; a GPU runs one batch after the other."""
        if self._device.type == "cpu":
            return side_by_side(run, items, check)
        return side_by_side(run, items, check, width=lambda: 1)

    @torch.inference_mode()
    def _beginning(self, ids: Sequence[int]) -> _Beginning:
        """Keys and values of all but the last of the `ids`, and the NLL of all but the first."""
        if not ids:
            return _Beginning(None, [])
        tokens = torch.tensor([list(ids)], device=self._device)
        out = self._decoder(input_ids=tokens[:, :-1], use_cache=True)
        nll = token_nll(out.last_hidden_state[0], self._head, tokens[0, 1:])
        return _Beginning(out.past_key_values, nll.tolist())

    def _batch(self, rows: Sequence[Row], batch: _Batch) -> list[list[float]]:
        members = [rows[index] for index in batch.members]
        return self._budget.halving(
            lambda part: self._forward(part, batch.known, batch.past), members
        )

    @torch.inference_mode()
    def _forward(self, rows: list[Row], known: int, past: Any) -> list[list[float]]:
        """One pass over what follows the `known` tokens; the last token predicts nothing wanted."""
        fed = [list(row.ids[known:-1]) for row in rows]
        firsts = [max(row.first, known + 1) for row in rows]
        counts = [len(row.ids) - first for row, first in zip(rows, firsts, strict=True)]
        longest = max(map(len, fed))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in fed])
        wanted = torch.zeros_like(ids, dtype=torch.bool)
        for index, (row, first) in enumerate(zip(rows, firsts, strict=True)):
            wanted[index, first - 1 - known : len(row.ids) - 1 - known] = True
        labels = torch.tensor(
            [token for row, first in zip(rows, firsts, strict=True) for token in row.ids[first:]]
        )
        ids, wanted, labels = (tensor.to(self._device) for tensor in (ids, wanted, labels))
        out = self._decoder(input_ids=ids, **_remembered(past, len(rows)))
        values = iter(token_nll(out.last_hidden_state[wanted], self._head, labels).tolist())
        return [list(itertools.islice(values, count)) for count in counts]


def _remembered(past: Any, rows: int) -> dict[str, Any]:
    """A copy of the cache for `rows` rows: the model appends to it, and others need it as it is."""
    if past is None:
        return {"use_cache": False}
    from transformers import DynamicCache

    layers = [
        (layer.keys.expand(rows, -1, -1, -1), layer.values.expand(rows, -1, -1, -1))
        for layer in past.layers
    ]
    return {"past_key_values": DynamicCache(layers), "use_cache": True}


def _keeps_all(model: PreTrainedModel) -> bool:
    """Whether each layer's cache is keys and values of all tokens: others have no use for ours."""
    kinds = set(getattr(model.config, "layer_types", None) or ["full_attention"])
    windowed = getattr(model.config, "sliding_window", None) and not hasattr(
        model.config, "layer_types"
    )
    return kinds == {"full_attention"} and not windowed


def _portions(sizes: Sequence[int], most: int) -> Iterator[list[int]]:
    """Indices in order, in portions of at most `most` together; a larger one goes alone."""
    portion: list[int] = []
    for index, size in enumerate(sizes):
        if portion and sum(sizes[i] for i in portion) + size > most:
            yield portion
            portion = []
        portion.append(index)
    if portion:
        yield portion
