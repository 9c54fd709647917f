"""The candidate: the base model with one LoRA adapter whose strength can be turned.

One copy of the weights serves as both sides of every comparison: `base()` switches the adapter off.
(`PeftModel` changes the model it is given: two handles would compare tuned with tuned.)
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch.nn import functional

from driftline.metrics.lanes import side_by_side

from .batches import IGNORED, Batch, Tokens, by_length, collate, ids

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase

ADAPTER = "default"  # PEFT's own name of the first adapter
MAX_SEQUENCE = 8192  # GGUF tokenizers say 1e30, and then nothing is ever truncated
Check = Callable[[], None]


def load_tokenizer(path: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a converted base model, with sane limits."""
    from transformers import AutoTokenizer

    tokenizer = cast(
        "PreTrainedTokenizerBase", AutoTokenizer.from_pretrained(path, local_files_only=True)
    )
    tokenizer.model_max_length = min(tokenizer.model_max_length, MAX_SEQUENCE)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_candidate(path: Path, rank: int, seed: int, device: str) -> Candidate:
    """The base model in `path` (float32) with a fresh adapter: LoRA on all linear layers, alpha 2r.

    Float32 because it is the fastest type on CPUs without bf16 instructions, and makes a resumed
    run equal to an uninterrupted one.
    """
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    base = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, local_files_only=True)
    torch.manual_seed(seed)
    with (
        warnings.catch_warnings()
    ):  # PEFT 0.21 reads an attribute that transformers 5.23 deprecates
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
        model = get_peft_model(base, config)
    return Candidate(cast("PeftModel", model.to(device)), load_tokenizer(path), device)


class Candidate:
    """A model that can be trained, asked, and compared with its own base."""

    def __init__(
        self, model: PeftModel, tokenizer: PreTrainedTokenizerBase, device: str = "cpu"
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.device = torch.device(device)

    # ------------------------------------------------------------- adapter

    @contextmanager
    def base(self) -> Iterator[None]:
        """Inside, the model is the untouched base model."""
        with self.model.disable_adapter():
            yield

    def set_strength(self, strength: float) -> None:
        """Scale the adapter's part of every weight: W + strength · BA · alpha / r."""
        from peft.tuners.lora import LoraLayer

        for module in self.model.modules():
            if isinstance(module, LoraLayer):
                module.set_scale(ADAPTER, strength)

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """The adapter's parameters by name, in a fixed order."""
        named = self.model.named_parameters()
        return {name: parameter for name, parameter in named if parameter.requires_grad}

    def snapshot(self) -> dict[str, torch.Tensor]:
        return {name: p.detach().cpu().clone() for name, p in self.parameters().items()}

    def restore(self, weights: dict[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self.parameters().items():
                parameter.copy_(weights[name])

    def save_adapter(self, directory: Path, strength: float) -> None:
        """PEFT's two files. `strength` is multiplied into B, so that any loader applies it."""
        from peft import get_peft_model_state_dict
        from safetensors.torch import save_file

        weights = get_peft_model_state_dict(self.model, save_embedding_layers=False)
        scaled = {
            name: (strength * tensor if "lora_B" in name else tensor).detach().cpu().contiguous()
            for name, tensor in weights.items()
        }
        save_file(scaled, directory / "adapter_model.safetensors", metadata={"format": "pt"})
        self.model.peft_config[ADAPTER].save_pretrained(str(directory))

    # ---------------------------------------------------------- likelihood

    def collate(self, rows: Sequence[Tokens]) -> Batch:
        return collate(rows, int(self.tokenizer.pad_token_id or 0), self.device)

    def logits(self, batch: Batch) -> torch.Tensor:
        """Predictions (B, T, vocabulary) of the label columns, float32."""
        output = self.model(
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            position_ids=batch.position_ids,
            logits_to_keep=batch.labels.shape[1] + 1,
            use_cache=False,
        )
        return cast(torch.Tensor, output.logits[:, :-1].float())

    def loss(self, batch: Batch) -> torch.Tensor:
        """Mean NLL (nats) over the completion tokens of the batch."""
        logits = self.logits(batch)
        return functional.cross_entropy(
            logits.reshape(-1, logits.shape[-1]), batch.labels.reshape(-1), ignore_index=IGNORED
        )

    def nll(self, rows: Sequence[Tokens], batch_size: int, check: Check) -> list[tuple[float, int]]:
        """Of each row the NLL of its completion (nats, summed) and its number of tokens."""
        batches = by_length([len(row) for row in rows], batch_size)
        width = torch.get_num_threads if self.device.type == "cpu" else lambda: 1

        def sums(indices: Sequence[int]) -> list[float]:
            batch = self.collate([rows[i] for i in indices])
            with torch.inference_mode():
                return _row_sums(self.logits(batch), batch.labels)

        found = chain.from_iterable(side_by_side(sums, batches, check, width))
        totals = dict(zip(chain.from_iterable(batches), found, strict=True))
        return [(totals[i], len(row.completion)) for i, row in enumerate(rows)]

    def mean_nll(self, rows: Sequence[Tokens], batch_size: int, check: Check) -> float:
        """NLL per completion token (nats) over all rows together."""
        pairs = self.nll(rows, batch_size, check)
        return sum(total for total, _ in pairs) / sum(count for _, count in pairs)

    # ------------------------------------------------------------- answers

    def answers(self, prompts: Sequence[str], max_new_tokens: int, check: Check) -> list[str]:
        """Greedy answers to rendered prompts, one batch, without control tokens.

        `check` is called before every token.
        """
        from transformers import GenerationConfig

        rows = [Tokens(ids(prompt, self.tokenizer), []) for prompt in prompts]
        batch = self.collate(rows)
        config = cast(Any, GenerationConfig)(
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=self.tokenizer.eos_token_id,
            pad_token_id=self.tokenizer.pad_token_id,
        )
        generate = cast(Any, self.model).generate
        with torch.inference_mode():
            output = generate(
                input_ids=batch.input_ids,
                attention_mask=batch.attention_mask,
                generation_config=config,
                stopping_criteria=[_Pulse(check)],
            )
        new = output[:, batch.input_ids.shape[1] :]
        texts = self.tokenizer.batch_decode(new, skip_special_tokens=True)
        return [str(text).strip() for text in texts]


class _Pulse:
    """A stopping criterion that never stops, but may raise."""

    def __init__(self, check: Check) -> None:
        self._check = check

    def __call__(self, input_ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        self._check()
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


def _row_sums(logits: torch.Tensor, labels: torch.Tensor) -> list[float]:
    losses = functional.cross_entropy(
        logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none"
    )
    return [float(total) for total in losses.sum(dim=1).double()]
