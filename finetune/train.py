"""The training loop: one LoRA run with validation, early stopping, checkpoints and resumption.

    for each step: batch → loss on the completion tokens → step; now and then validate and save

A run that was killed continues from its last checkpoint and ends with the same weights as one that
was not: batches, learning rate and optimiser depend on the step alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from driftline.sdk.records import JobSpec, LossPoint

from . import checkpoint
from .batches import Tokens, batch_of_step
from .candidate import Candidate, Check
from .checkpoint import RunState
from .errors import Stopped, TrainingDiverged
from .schedule import Schedule, optimizer_for, take_step

EVALUATIONS = 10  # per run, beside the one before the first step
MIN_STEPS_BETWEEN = 4  # an evaluation costs about as much as a step
VALIDATION_BATCHES = 2  # so many batches of validation rows are measured each time

Report = Callable[[LossPoint], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the run went; the candidate holds the weights of `best_step`."""

    steps: int
    best_step: int
    first_validation: float
    best_validation: float
    stopped_early: bool
    seconds: float
    losses: list[LossPoint]

    @property
    def words(self) -> str:
        early = ", stopped early" if self.stopped_early else ""
        return (
            f"validation loss {self.first_validation:.3f} → {self.best_validation:.3f} "
            f"(best at step {self.best_step} of {self.steps}{early}) in {self.seconds:.0f} s"
        )


class TrainingRun:
    """One run of one candidate in one directory."""

    def __init__(
        self,
        candidate: Candidate,
        train: Sequence[Tokens],
        validation: Sequence[Tokens],
        spec: JobSpec,
        directory: Path,
        key: str,
        *,
        report: Report,
        check: Check,
        clock: Callable[[], float],
    ) -> None:
        self._candidate = candidate
        self._train = train
        self._lengths = [len(row) for row in train]
        self._validation = validation[: VALIDATION_BATCHES * spec.batch_size]
        self._spec = spec
        self._directory = directory
        self._report = report
        self._check = check
        self._clock = clock
        self._schedule = Schedule.of(spec.learning_rate, spec.max_steps)
        self._every = max(MIN_STEPS_BETWEEN, math.ceil(spec.max_steps / EVALUATIONS))
        self._optimizer = optimizer_for(candidate)
        self._state, self._best = self._begin(key)
        self._began = clock() - self._state.seconds

    def run(self) -> Outcome:
        """Train to the end. Raises Stopped after a checkpoint, Cancelled, TrainingDiverged."""
        try:
            if self._owes_validation():
                self._validate()
            while not self._done():
                self._check()
                self._step()
        except Stopped:
            self._save()
            raise
        self._candidate.restore(self._best)
        return self._outcome()

    @property
    def resumed_at(self) -> int:
        """The step the run was loaded at, 0 for a new run."""
        return self._state.step

    def _begin(self, key: str) -> tuple[RunState, checkpoint.Weights]:
        loaded = checkpoint.load(self._directory, key)
        if loaded is None:
            return RunState(key), self._candidate.snapshot()
        state, tensors = loaded
        self._candidate.restore(checkpoint.part(tensors, "adapter"))
        parameters = self._candidate.parameters()
        checkpoint.restore_optimizer(self._optimizer, parameters, tensors, state.step)
        return state, checkpoint.part(tensors, "best")

    def _done(self) -> bool:
        return self._state.step >= self._spec.max_steps or self._stopped_early()

    def _stopped_early(self) -> bool:
        return self._state.worse >= self._spec.patience

    def _step(self) -> None:
        step = self._state.step + 1
        spec = self._spec
        indices = batch_of_step(self._lengths, spec.batch_size, spec.seed, step)
        rate = self._schedule.at(step)
        rows = [self._train[i] for i in indices]
        loss = take_step(self._candidate, self._optimizer, rows, rate)
        self._state.step = step
        self._note("train", loss)
        if self._owes_validation():
            self._validate()
            self._save()

    def _owes_validation(self) -> bool:
        """Whether this step is to be validated and was not: a stop may come in between."""
        step = self._state.step
        due = step % self._every == 0 or step == self._spec.max_steps
        done = {point.step for point in self._state.losses if point.split == "validation"}
        return due and step not in done

    def _validate(self) -> None:
        state = self._state
        loss = self._candidate.mean_nll(self._validation, self._spec.batch_size, self._check)
        self._note("validation", loss)
        if loss < state.best_validation:
            state.best_validation, state.best_step, state.worse = loss, state.step, 0
            self._best = self._candidate.snapshot()
        else:
            state.worse += 1

    def _note(self, split: Literal["train", "validation"], loss: float) -> None:
        """Record and report one loss."""
        state = self._state
        state.seconds = self._clock() - self._began
        if not math.isfinite(loss):
            raise TrainingDiverged(
                f"the {split} loss is {loss} at step {state.step}: lower learning_rate"
            )
        rate = self._schedule.at(state.step)
        point = LossPoint("train", split, state.step, loss, rate, state.seconds)
        state.losses.append(point)
        self._report(point)

    def _save(self) -> None:
        weights = self._candidate.snapshot()
        checkpoint.save(self._directory, self._state, weights, self._best, self._optimizer)

    def _outcome(self) -> Outcome:
        state = self._state
        validations = [point.loss for point in state.losses if point.split == "validation"]
        return Outcome(
            steps=state.step,
            best_step=state.best_step,
            first_validation=validations[0],
            best_validation=state.best_validation,
            stopped_early=self._stopped_early() and state.step < self._spec.max_steps,
            seconds=state.seconds,
            losses=list(state.losses),
        )
