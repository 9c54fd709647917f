"""The span tagger: a small encoder that marks the characters of an answer without support.

all-MiniLM-L6-v2 (22 M weights), fine-tuned on RAGTruth's QA task by tools/train_tagger.py; what is
shipped are the differences of its layers to the public weights, in eight bits a number, five token
types and one logit a piece. After LettuceDetect (Kovács & Recski 2025, arXiv 2502.17125), with the
novelty of words as an input (driftline.metrics.tagging).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib import resources
from importlib.resources import as_file
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from .batches import by_length, halving
from .convert import go_offline
from .fusion import Pieces
from .lanes import Check, side_by_side, unchecked
from .models import ResolvedModel
from .tagging import Kind, TagInput, sequences

DELTA, SCALE = "delta.", "scale."
WHOLE = "whole."
SHIPPED = "data/tagger.safetensors"
BUDGET_PIECES = {"cpu": 512, "cuda": 65536}  # of one padded batch; small ones share cores evenly


class Tagger(torch.nn.Module):
    """An encoder with a logit for each piece of the answer."""

    def __init__(self, model: ResolvedModel, encoder: Any, tokenizer: Any) -> None:
        super().__init__()
        self.model = model
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.head = torch.nn.Linear(encoder.config.hidden_size, 1)

    def logits(self, batch: Sequence[TagInput]) -> list[torch.Tensor]:
        """Of each sequence, one logit for each of its answer's pieces, float32."""
        longest = max(len(one.ids) for one in batch)
        device = self.head.weight.device
        ids, kinds, real = (
            torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=device)
            for rows in (
                [one.ids for one in batch],
                [one.kinds for one in batch],
                [[1] * len(one.ids) for one in batch],
            )
        )
        states = self.encoder(input_ids=ids, token_type_ids=kinds, attention_mask=real)
        found = self.head(states.last_hidden_state).squeeze(-1).float()
        return [
            row[one.first : one.first + len(one.offsets)]
            for row, one in zip(found, batch, strict=True)
        ]


def blank_tagger(model: ResolvedModel) -> Tagger:
    """The public weights with new token types and an untrained head; embeddings are frozen."""
    go_offline()
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(model.path))
    tokenizer.model_max_length = 10**9  # parts are cut in tagging, silently
    encoder = AutoModel.from_pretrained(
        str(model.path),
        add_pooling_layer=False,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    _widen_token_types(encoder)
    return learnable(Tagger(model, encoder.float(), tokenizer))


def learnable(tagger: Tagger) -> Tagger:
    """The same, with gradients of all that is trained: not of the words' and places' embeddings."""
    for name, weight in tagger.named_parameters():
        frozen = ("word_embeddings", "position_embeddings")
        weight.requires_grad = not any(part in name for part in frozen)
    return tagger


def _widen_token_types(encoder: Any) -> None:
    """All kinds begin as what the encoder knows: every text was of type 0."""
    old = encoder.embeddings.token_type_embeddings.weight.detach()
    made = torch.nn.Embedding(len(Kind), old.shape[1])
    made.weight.data.copy_(old[:1].repeat(len(Kind), 1))
    encoder.embeddings.token_type_embeddings = made
    encoder.config.type_vocab_size = len(Kind)


def save_tagger(tagger: Tagger, path: Path, facts: Mapping[str, object]) -> None:
    """Write what was trained: matrices as 8-bit differences a row, the rest as it is."""
    from safetensors.torch import save_file

    fresh = dict(blank_tagger(tagger.model).named_parameters())
    stored: dict[str, torch.Tensor] = {}
    for name, weight in _trained(tagger):
        if weight.ndim < 2 or name.startswith("head.") or "token_type" in name:
            stored[WHOLE + name] = weight.detach().clone()
            continue
        change = weight.detach() - fresh[name].detach()
        scale = change.abs().amax(1, keepdim=True).clamp_min(1e-12) / 127
        stored[DELTA + name] = (change / scale).round().to(torch.int8)
        stored[SCALE + name] = scale
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(stored, str(path), {"facts": json.dumps(dict(facts))})


def load_tagger(model: ResolvedModel, path: Path | None = None, device: str = "cpu") -> Tagger:
    """The trained tagger on the public weights of `model`, for inference.

    `path`: what `save_tagger` wrote; None: the one that ships with the package.
    """
    from safetensors.torch import load_file

    tagger = blank_tagger(model)
    with as_file(resources.files(__package__ or __name__) / SHIPPED) as shipped:
        stored = load_file(str(path or shipped))
    for name, weight in _trained(tagger):
        if WHOLE + name in stored:
            weight.data.copy_(stored[WHOLE + name])
        else:
            weight.data += stored[DELTA + name].float() * stored[SCALE + name]
    return tagger.to(device).eval().requires_grad_(False)


def _trained(tagger: Tagger) -> Iterator[tuple[str, torch.nn.Parameter]]:
    return ((name, weight) for name, weight in tagger.named_parameters() if weight.requires_grad)


def tag(
    tagger: Tagger,
    answers: Sequence[tuple[str, Sequence[str], str]],
    check: Check = unchecked,
) -> list[Pieces]:
    """What the tagger says of each (question, context, answer), whatever they are batched with."""
    made = [
        (number, one)
        for number, (question, context, answer) in enumerate(answers)
        for one in sequences(tagger.tokenizer, question, context, answer)
    ]
    kind = tagger.head.weight.device.type
    batches = by_length([len(one.ids) for _, one in made], BUDGET_PIECES.get(kind, 512))
    width = torch.get_num_threads if kind == "cpu" else lambda: 1
    read = partial(halving, partial(_logits, tagger))
    done = side_by_side(lambda batch: read([made[at][1] for at in batch]), batches, check, width)
    said = dict(zip(chain.from_iterable(batches), chain.from_iterable(done), strict=True))
    pieces: list[list[tuple[tuple[int, int], float]]] = [[] for _ in answers]
    for at, (number, one) in enumerate(made):
        pieces[number] += zip(one.offsets, said[at], strict=True)
    return [Pieces(tuple(o for o, _ in held), tuple(x for _, x in held)) for held in pieces]


@torch.inference_mode()
def _logits(tagger: Tagger, batch: list[TagInput]) -> list[list[float]]:
    return [row.tolist() for row in tagger.logits(batch)]
