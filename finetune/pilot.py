"""The pilot: a few steps on a few rows before the run is paid for.

It answers three questions: is the loss a number, does it fall, and how long will the run take. The
loss of the first batch is taken before and after, so that like is compared with like; the adapter
is then put back to where it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from driftline.sdk.records import JobSpec, LossPoint

from .batches import Tokens, batch_of_step
from .candidate import Candidate, Check
from .errors import PilotFailed, TrainingDiverged
from .schedule import Schedule, optimizer_for, take_step

Report = Callable[[LossPoint], None]


@dataclass(frozen=True, slots=True)
class Pilot:
    """What the pilot found. `seconds_per_step` is the median; the estimate is for the training."""

    rows: int
    steps: int
    loss_before: float
    loss_after: float
    seconds_per_step: float
    estimate_seconds: float

    @property
    def words(self) -> str:
        return (
            f"pilot: loss {self.loss_before:.2f} → {self.loss_after:.2f} in {self.steps} steps on "
            f"{self.rows} rows, {self.seconds_per_step:.1f} s a step; the run will take about "
            f"{self.estimate_seconds:.0f} s"
        )


def run_pilot(
    candidate: Candidate,
    train: Sequence[Tokens],
    spec: JobSpec,
    report: Report,
    check: Check,
    clock: Callable[[], float],
) -> Pilot:
    """Train a little and put everything back. Raises PilotFailed when the loss did not fall."""
    rows = list(train[: max(1, spec.pilot_rows)])
    untouched = candidate.snapshot()
    try:
        seconds, losses = _steps(candidate, rows, spec, report, check, clock)
        after = _first_loss(candidate, rows, spec)
    finally:
        candidate.restore(untouched)
    typical = sorted(seconds)[len(seconds) // 2]
    result = Pilot(
        rows=len(rows),
        steps=len(seconds),
        loss_before=losses[0],
        loss_after=after,
        seconds_per_step=typical,
        estimate_seconds=typical * spec.max_steps,
    )
    judge(result)
    return result


def judge(pilot: Pilot) -> None:
    """Raises PilotFailed with what to try."""
    if math.isfinite(pilot.loss_after) and pilot.loss_after < pilot.loss_before:
        return
    raise PilotFailed(
        f"the pilot did not learn: the loss of the same rows went from {pilot.loss_before:.3f} to "
        f"{pilot.loss_after:.3f} in {pilot.steps} steps. Try a lower learning_rate or more "
        "pilot_steps, and look at the dataset's examples."
    )


def _steps(
    candidate: Candidate,
    rows: Sequence[Tokens],
    spec: JobSpec,
    report: Report,
    check: Check,
    clock: Callable[[], float],
) -> tuple[list[float], list[float]]:
    optimizer = optimizer_for(candidate)
    schedule = Schedule(spec.learning_rate, max_steps=spec.pilot_steps, warmup_steps=0)
    seconds, losses, begun = [], [], clock()
    for step in range(1, max(1, spec.pilot_steps) + 1):
        check()
        started = clock()
        loss = take_step(candidate, optimizer, _batch(rows, spec, step), schedule.at(step))
        if not math.isfinite(loss):
            raise TrainingDiverged(f"the loss is {loss} at pilot step {step}: lower learning_rate")
        seconds.append(clock() - started)
        losses.append(loss)
        report(LossPoint("pilot", "train", step, loss, schedule.at(step), clock() - begun))
    return seconds, losses


def _batch(rows: Sequence[Tokens], spec: JobSpec, step: int) -> list[Tokens]:
    lengths = [len(row) for row in rows]
    return [rows[i] for i in batch_of_step(lengths, spec.batch_size, spec.seed, step)]


def _first_loss(candidate: Candidate, rows: Sequence[Tokens], spec: JobSpec) -> float:
    with torch.inference_mode():
        return float(candidate.loss(candidate.collate(_batch(rows, spec, 1))))
