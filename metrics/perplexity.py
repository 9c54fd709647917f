"""Perplexity and bits per byte of a prompt, and of a response given its prompt.

One pass of a causal language model over `[BOS] prompt separator response` gives the negative log
likelihood (nats) of every token after BOS: perplexity is exp(Σ nll / Σ tokens), bits per byte is
Σ nll / ln 2 / Σ UTF-8 bytes. Both are aggregated by these sums, never by averaging perplexities.

Policy: BOS is always prepended, or the first token would go unscored. Prompt, separator and
response are tokenised apart, so that a token never spans two of them; control tokens spelled out in
a text are plain text. The separator is context only. Of a prompt the *last* `max_tokens` tokens
count, of a response the *first*. Beyond the window, windows overlap by half and each token is
scored once, with at least half a window before it.

Papers: Jelinek et al. 1977 (perplexity); Gao et al. 2020, arXiv 2101.00027, 3.1 (bits per byte).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from .batches import by_length, halving
from .convert import go_offline
from .errors import ModelUnsuitable
from .models import ResolvedModel
from .text import well_formed

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

WINDOW_TOKENS = 2048
MAX_TOKENS = 512  # of each text: enough to tell texts apart, and a bound on what one event costs
CHARACTERS_PER_TOKEN = 16  # longer texts are cut before tokenising; prose has about 4.5
CHUNK_ROWS = 256  # of logits: 256 × 49,152 × 4 bytes = 50 MB, where 2,048 rows are 403 MB
BUDGET_TOKENS = {"cpu": 2048, "cuda": 32768}
RESHAPED_LOGITS = ("final_logit_softcapping", "logit_scale", "logits_scaling")

Check = Callable[[], None]


def unchecked() -> None:
    """Nobody wants to stop the work between two batches."""


@dataclass(frozen=True, slots=True)
class Nll:
    """Sufficient statistics of one or more texts; sums of them are those of the texts together."""

    nll_sum: float
    n_tokens: int
    n_bytes: int

    def __add__(self, other: Nll) -> Nll:
        return Nll(
            self.nll_sum + other.nll_sum,
            self.n_tokens + other.n_tokens,
            self.n_bytes + other.n_bytes,
        )

    @property
    def perplexity(self) -> float | None:
        """exp of the mean NLL of a token; None without tokens or beyond the floats."""
        mean = self.nll_sum / self.n_tokens if self.n_tokens else math.nan
        return math.exp(mean) if mean < 700.0 else None

    @property
    def bits_per_byte(self) -> float | None:
        """NLL in bits by UTF-8 byte: comparable across tokenizers; None without bytes."""
        bits = self.nll_sum / math.log(2.0) / self.n_bytes if self.n_bytes else math.nan
        return bits if math.isfinite(bits) else None


class Pair(NamedTuple):
    """A response and what it answers; either may be empty."""

    prompt: str
    response: str


class PairNll(NamedTuple):
    prompt: Nll
    response: Nll


class Window(NamedTuple):
    """Tokens [start, end) of a sequence, of which [first, end) are scored; first > start."""

    start: int
    end: int
    first: int


def windows(length: int, window: int, stride: int) -> list[Window]:
    """Windows over `length` tokens, the first of which is BOS: each other token is scored once."""
    found = [Window(0, min(window, length), 1)] if length > 1 else []
    while found and (scored := found[-1].end) < length:
        end = min(scored + stride, length)
        found.append(Window(end - window, end, scored))
    return found


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


class _Text(NamedTuple):
    """The scored part of a text."""

    ids: list[int]
    n_bytes: int


class _Job(NamedTuple):
    """One window of one sequence."""

    sequence: int
    window: Window


class PerplexityScorer:
    """Scores pairs with one causal language model on one device."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        label: str,
        *,
        window_tokens: int = WINDOW_TOKENS,
        max_tokens: int = MAX_TOKENS,
        separator: str = "\n",
        budget_tokens: int = 0,
    ) -> None:
        """`budget_tokens` bounds a padded batch; 0 is the device's default."""
        _check_plain_logits(model)
        self.label = label
        self.model = model
        self._decoder: Any = model.get_decoder()  # type: ignore[no-untyped-call]
        self._head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
        self.tokenizer = tokenizer
        self._bos = _bos(tokenizer)
        self._device = model.device
        self._window = min(window_tokens, int(model.config.max_position_embeddings))
        self._max_tokens = max_tokens
        self._budget = budget_tokens or BUDGET_TOKENS.get(model.device.type, BUDGET_TOKENS["cpu"])
        self._separator = self._ids(separator)

    @classmethod
    def load(cls, model: ResolvedModel, device: str, dtype: torch.dtype) -> PerplexityScorer:
        """Weights and tokenizer from `model.path`, offline; raises ModelUnsuitable."""
        go_offline()
        from transformers import AutoModelForCausalLM, AutoTokenizer

        if model.kind != "causal-lm":
            raise ModelUnsuitable(f"{model.ref} embeds; perplexity needs a causal language model")
        tokenizer = AutoTokenizer.from_pretrained(model.path, local_files_only=True)
        weights: Any = AutoModelForCausalLM.from_pretrained(
            model.path, dtype=dtype, local_files_only=True, use_safetensors=True
        )
        suffix = "" if dtype == torch.float32 else f"+{str(dtype).removeprefix('torch.')}"
        return cls(weights.to(device).eval(), tokenizer, model.label + suffix)

    def score(self, pairs: Sequence[Pair], check: Check = unchecked) -> list[PairNll]:
        """Statistics of each pair, in order, whatever it is batched with.

        `check` is called before each forward pass and may raise to stop the work.
        """
        prompts = self._texts([pair.prompt for pair in pairs], last=True)
        responses = self._texts([pair.response for pair in pairs], last=False)
        sequences = [
            [self._bos, *p.ids, *(self._separator if p.ids else ()), *r.ids]
            for p, r in zip(prompts, responses, strict=True)
        ]
        nlls = self.nll(sequences, check)
        return [_split(n, p, r) for n, p, r in zip(nlls, prompts, responses, strict=True)]

    def nll(
        self, sequences: Sequence[Sequence[int]], check: Check = unchecked
    ) -> list[list[float]]:
        """NLL (nats) of each token after the first of each sequence of ids."""
        found = [[0.0] * (len(ids) - 1) for ids in sequences]
        stride = max(1, self._window // 2)
        jobs = [
            _Job(index, window)
            for index, ids in enumerate(sequences)
            for window in windows(len(ids), self._window, stride)
        ]
        lengths = [job.window.end - job.window.start for job in jobs]
        for batch in by_length(lengths, self._budget):
            check()
            chosen = [jobs[index] for index in batch]
            for job, values in zip(chosen, self._run(sequences, chosen), strict=True):
                found[job.sequence][job.window.first - 1 : job.window.end - 1] = values
        return found

    def _run(self, sequences: Sequence[Sequence[int]], jobs: list[_Job]) -> list[list[float]]:
        return halving(lambda part: self._forward(sequences, part), jobs)

    @torch.inference_mode()
    def _forward(self, sequences: Sequence[Sequence[int]], jobs: list[_Job]) -> list[list[float]]:
        """One pass, padded on the right: what comes after a token cannot change its NLL."""
        rows = [list(sequences[job.sequence][job.window.start : job.window.end]) for job in jobs]
        longest = max(len(row) for row in rows)
        ids = torch.tensor([row + [self._bos] * (longest - len(row)) for row in rows])
        real = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        counts = [job.window.end - job.window.first for job in jobs]
        wanted = torch.zeros_like(real, dtype=torch.bool)
        for index, job in enumerate(jobs):
            offset = job.window.start
            wanted[index, job.window.first - offset : job.window.end - offset] = True
        ids, real, wanted = (t.to(self._device) for t in (ids, real, wanted))
        hidden = self._decoder(input_ids=ids, attention_mask=real, use_cache=False)
        before = hidden.last_hidden_state[:, :-1][wanted[:, 1:]]
        values = iter(token_nll(before, self._head, ids[wanted]).tolist())
        return [list(itertools.islice(values, count)) for count in counts]

    def _ids(self, text: str) -> list[int]:
        encoded = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)
        return list(encoded["input_ids"])

    def _texts(self, texts: Sequence[str], *, last: bool) -> list[_Text]:
        """The last or first `max_tokens` tokens of each text, and the bytes that they cover."""
        limit = self._max_tokens * CHARACTERS_PER_TOKEN
        cut = [well_formed(text[-limit:] if last else text[:limit]) for text in texts]
        if not cut:
            return []
        encoded: Any = self.tokenizer(
            cut,
            add_special_tokens=False,
            split_special_tokens=True,
            return_attention_mask=False,
            return_offsets_mapping=True,
        )
        rows = zip(cut, encoded["input_ids"], encoded["offset_mapping"], strict=True)
        return [self._kept(*row, last=last) for row in rows]

    def _kept(
        self, text: str, ids: list[int], offsets: list[tuple[int, int]], *, last: bool
    ) -> _Text:
        if len(ids) <= self._max_tokens:
            return _Text(ids, len(text.encode()) if ids else 0)
        if last:
            kept = text[offsets[-self._max_tokens][0] :]
            return _Text(ids[-self._max_tokens :], len(kept.encode()))
        kept = text[: offsets[self._max_tokens - 1][1]]
        return _Text(ids[: self._max_tokens], len(kept.encode()))


def _split(nll: list[float], prompt: _Text, response: _Text) -> PairNll:
    """The prompt's tokens come first, the response's last; the separator's count for neither."""
    head = nll[: len(prompt.ids)]
    tail = nll[len(nll) - len(response.ids) :]
    return PairNll(
        Nll(math.fsum(head), len(head), prompt.n_bytes),
        Nll(math.fsum(tail), len(tail), response.n_bytes),
    )


def _bos(tokenizer: PreTrainedTokenizerBase) -> int:
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if isinstance(token, int):
            return token
    raise ModelUnsuitable("the scorer's tokenizer has neither a BOS nor an EOS token")


def _check_plain_logits(model: PreTrainedModel) -> None:
    """Logits are computed in chunks by the output matrix alone; some models go on from there."""
    reshaped = [name for name in RESHAPED_LOGITS if getattr(model.config, name, None)]
    if reshaped:
        raise ModelUnsuitable(
            f"the scorer {model.config.model_type} changes its logits ({', '.join(reshaped)}), "
            "which perplexity here leaves out; choose another --scorer"
        )
