"""The pilot measures, judges and leaves no trace."""

import dataclasses
import itertools
from collections.abc import Callable

import pytest
import torch

from driftline.finetune.batches import tokenize
from driftline.finetune.candidate import Candidate
from driftline.finetune.errors import PilotFailed, TrainingDiverged
from driftline.finetune.pilot import Pilot, judge, run_pilot
from driftline.finetune.rows import Row
from driftline.sdk.records import JobSpec, LossPoint

SPEC = JobSpec(learning_rate=5e-3, batch_size=4, max_steps=50, pilot_rows=8, pilot_steps=4, rank=4)
MakeRow = Callable[[int], Row]


def pilot(
    candidate: Candidate, make_row: MakeRow, spec: JobSpec = SPEC
) -> tuple[Pilot, list[LossPoint]]:
    ticks, points = itertools.count(), []
    rows = tokenize([make_row(i) for i in range(24)], candidate.tokenizer)
    result = run_pilot(
        candidate, rows, spec, points.append, lambda: None, lambda: float(next(ticks))
    )
    return result, points


def test_a_pilot_that_learns_estimates_the_run_and_puts_the_weights_back(
    tiny: Candidate, make_row: MakeRow
) -> None:
    before = tiny.snapshot()
    result, points = pilot(tiny, make_row)
    assert result.loss_after < result.loss_before
    assert result.estimate_seconds == pytest.approx(50 * result.seconds_per_step)
    assert "the run will take about" in result.words
    assert [(p.phase, p.step) for p in points] == [("pilot", step) for step in (1, 2, 3, 4)]
    after = tiny.snapshot()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_pilot_whose_loss_rises_stops_the_job_and_says_what_to_try(
    tiny: Candidate, make_row: MakeRow
) -> None:
    wild = dataclasses.replace(SPEC, learning_rate=30.0, pilot_steps=1)
    with pytest.raises(PilotFailed, match="lower learning_rate"):
        pilot(tiny, make_row, wild)


def test_a_pilot_whose_loss_is_not_a_number_stops_the_job(
    tiny: Candidate, make_row: MakeRow
) -> None:
    tiny.restore({name: t * float("nan") for name, t in tiny.snapshot().items()})
    with pytest.raises(TrainingDiverged):
        pilot(tiny, make_row)


@pytest.mark.parametrize("after", [2.0, 2.1, float("nan"), float("inf")])
def test_only_a_loss_that_fell_passes(after: float) -> None:
    with pytest.raises(PilotFailed):
        judge(Pilot(8, 3, 2.0, after, 1.0, 10.0))
