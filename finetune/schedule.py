"""How a step is taken: AdamW, linear warm-up then cosine decay, clipped gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .batches import Tokens
from .candidate import Candidate

WARMUP_SHARE = 0.1
FINAL_SHARE = 0.1  # of the learning rate, at the last step
MAX_GRADIENT_NORM = 1.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """The learning rate of each step 1..max_steps."""

    peak: float
    max_steps: int
    warmup_steps: int

    @classmethod
    def of(cls, peak: float, max_steps: int) -> Schedule:
        return cls(peak, max_steps, max(1, round(WARMUP_SHARE * max_steps)))

    def at(self, step: int) -> float:
        if step <= self.warmup_steps:
            return self.peak * step / (self.warmup_steps + 1)
        progress = (step - self.warmup_steps) / max(1, self.max_steps - self.warmup_steps)
        cosine = (1 + math.cos(math.pi * min(1.0, progress))) / 2
        return self.peak * (FINAL_SHARE + (1 - FINAL_SHARE) * cosine)


def optimizer_for(candidate: Candidate) -> torch.optim.AdamW:
    """AdamW without weight decay: an adapter starts at zero change and is small anyway."""
    return torch.optim.AdamW(candidate.parameters().values(), lr=0.0, weight_decay=0.0)


def take_step(
    candidate: Candidate,
    optimizer: torch.optim.Optimizer,
    rows: Sequence[Tokens],
    learning_rate: float,
) -> float:
    """One optimiser step on one batch; returns the loss before it (nats per completion token)."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    loss = candidate.loss(candidate.collate(rows))
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(candidate.parameters().values(), MAX_GRADIENT_NORM)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()
