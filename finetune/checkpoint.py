"""A training run on disk: one safetensors file, replaced atomically, no pickles.

Tensors: the adapter, the best adapter so far, AdamW's two moments, each under its prefix. The rest
of the state is JSON in the file's metadata, so tensors and state can never disagree.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from driftline.sdk.records import LossPoint, decode_record

FILE = "checkpoint.safetensors"
MOMENTS = ("exp_avg", "exp_avg_sq")

Weights = dict[str, torch.Tensor]


@dataclass(slots=True)
class RunState:
    """Where a run stands. `key` names what is trained on what: another key is another run."""

    key: str
    step: int = 0
    best_step: int = 0
    best_validation: float = float("inf")
    worse: int = 0
    seconds: float = 0.0
    losses: list[LossPoint] = field(default_factory=list)


def save(
    directory: Path,
    state: RunState,
    adapter: Weights,
    best: Weights,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write the run; a crash in between leaves the previous checkpoint."""
    from safetensors.torch import save_file

    tensors = _prefixed("adapter", adapter) | _prefixed("best", best)
    for name, moments in zip(adapter, optimizer.state.values(), strict=False):
        for moment in MOMENTS:
            tensors[f"{moment}/{name}"] = moments[moment].detach().cpu().contiguous()
    temporary = directory / f".{FILE}.{os.getpid()}"
    save_file(tensors, temporary, metadata={"state": json.dumps(dataclasses.asdict(state))})
    temporary.replace(directory / FILE)


def load(directory: Path, key: str) -> tuple[RunState, Weights] | None:
    """The run of `key` in `directory`, or None when there is none."""
    from safetensors import safe_open

    path = directory / FILE
    if not path.exists():
        return None
    with safe_open(path, framework="pt") as file:
        state = decode_record(RunState, json.loads(file.metadata()["state"]))
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    return (state, tensors) if state.key == key else None


def part(tensors: Mapping[str, torch.Tensor], prefix: str) -> Weights:
    """The tensors saved under `prefix`, by their own names."""
    lead = prefix + "/"
    return {name[len(lead) :]: t for name, t in tensors.items() if name.startswith(lead)}


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    parameters: Mapping[str, torch.nn.Parameter],
    tensors: Mapping[str, torch.Tensor],
    step: int,
) -> None:
    """AdamW as it was after `step` steps."""
    moments = {moment: part(tensors, moment) for moment in MOMENTS}
    if not moments[MOMENTS[0]]:
        return
    for name, parameter in parameters.items():
        restored = {m: moments[m][name].to(parameter.device) for m in MOMENTS}
        optimizer.state[parameter] = {"step": torch.tensor(float(step)), **restored}


def _prefixed(prefix: str, weights: Weights) -> Weights:
    return {f"{prefix}/{name}": tensor.contiguous() for name, tensor in weights.items()}
