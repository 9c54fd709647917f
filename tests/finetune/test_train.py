"""The training loop: it learns, stops early, resumes exactly."""

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from driftline.finetune.batches import Tokens, tokenize
from driftline.finetune.candidate import Candidate, load_candidate
from driftline.finetune.errors import Stopped, TrainingDiverged
from driftline.finetune.rows import Row
from driftline.finetune.schedule import Schedule
from driftline.finetune.train import Outcome, TrainingRun
from driftline.sdk.records import JobSpec, LossPoint

MakeRow = Callable[[int], Row]
SPEC = JobSpec(learning_rate=5e-3, batch_size=4, max_steps=12, patience=3, rank=4)


def go_on() -> None:
    """Nobody stops."""


@pytest.fixture
def rows(tiny: Candidate, make_row: MakeRow) -> list[Tokens]:
    return tokenize([make_row(i) for i in range(24)], tiny.tokenizer)


def start(
    candidate: Candidate,
    rows: list[Tokens],
    directory: Path,
    spec: JobSpec = SPEC,
    key: str = "k",
    check: Callable[[], None] = go_on,
    report: Callable[[LossPoint], None] = lambda point: None,
) -> TrainingRun:
    ticks = itertools.count()
    return TrainingRun(
        candidate,
        rows[:16],
        rows[16:],
        spec,
        directory,
        key,
        report=report,
        check=check,
        clock=lambda: float(next(ticks)),
    )


def stop_after(calls: int) -> Callable[[], None]:
    left = iter(range(calls))

    def check() -> None:
        if next(left, None) is None:
            raise Stopped("by SIGTERM")

    return check


def test_the_loss_falls_and_the_best_weights_are_kept(
    tiny: Candidate, rows: list[Tokens], tmp_path: Path
) -> None:
    points: list[LossPoint] = []
    outcome = start(tiny, rows, tmp_path, report=points.append).run()
    assert outcome.steps == 12 and not outcome.stopped_early
    assert outcome.best_validation < outcome.first_validation
    assert tiny.mean_nll(rows[16:], 4, go_on) == pytest.approx(outcome.best_validation)
    assert [p.step for p in points if p.split == "train"] == list(range(1, 13))
    assert [p.step for p in points if p.split == "validation"] == [0, 4, 8, 12]
    assert points == outcome.losses


def test_a_rate_that_ruins_validation_stops_early_and_restores_the_best(
    tiny: Candidate, rows: list[Tokens], tmp_path: Path
) -> None:
    spec = dataclasses.replace(SPEC, max_steps=400, patience=2, learning_rate=0.1)
    outcome = start(tiny, rows, tmp_path, spec).run()
    assert outcome.stopped_early and outcome.steps < 400
    assert outcome.best_step < outcome.steps
    measured = tiny.mean_nll(rows[16:], 4, go_on)
    assert measured == pytest.approx(outcome.best_validation)


@pytest.mark.parametrize("calls", [1, 4, 6, 9, 18])
def test_a_stopped_run_resumes_to_the_same_weights_and_losses(
    calls: int, tiny_path: Path, rows: list[Tokens], tmp_path: Path
) -> None:
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    for directory in (whole, halves):
        directory.mkdir()
    first = load_candidate(tiny_path, 4, 7, "cpu")
    expected = start(first, rows, whole).run()
    with pytest.raises(Stopped):
        start(load_candidate(tiny_path, 4, 7, "cpu"), rows, halves, check=stop_after(calls)).run()
    resumed = load_candidate(tiny_path, 4, 8, "cpu")  # another seed: all comes from the file
    outcome = start(resumed, rows, halves).run()
    assert losses(outcome) == losses(expected)
    weights, again = first.snapshot(), resumed.snapshot()
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def losses(outcome: Outcome) -> list[tuple[str, int, float, float]]:
    return [(p.split, p.step, p.loss, p.learning_rate) for p in outcome.losses]


def test_a_finished_run_is_not_run_again(
    tiny_path: Path, rows: list[Tokens], tmp_path: Path
) -> None:
    first = start(load_candidate(tiny_path, 4, 7, "cpu"), rows, tmp_path).run()
    again = start(load_candidate(tiny_path, 4, 7, "cpu"), rows, tmp_path)
    assert again.resumed_at == 12
    assert losses(again.run()) == losses(first)


def test_a_checkpoint_of_another_dataset_is_not_continued(
    tiny_path: Path, rows: list[Tokens], tmp_path: Path
) -> None:
    start(load_candidate(tiny_path, 4, 7, "cpu"), rows, tmp_path).run()
    other = start(load_candidate(tiny_path, 4, 7, "cpu"), rows, tmp_path, key="another")
    assert other.resumed_at == 0


def test_no_pickle_is_written(tiny: Candidate, rows: list[Tokens], tmp_path: Path) -> None:
    start(tiny, rows, tmp_path).run()
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]


def test_a_loss_that_is_not_a_number_is_said_so(
    tiny: Candidate, rows: list[Tokens], tmp_path: Path
) -> None:
    weights = tiny.snapshot()
    tiny.restore({name: tensor * float("nan") for name, tensor in weights.items()})
    with pytest.raises(TrainingDiverged, match="lower learning_rate"):
        start(tiny, rows, tmp_path).run()


def test_the_rate_warms_up_and_decays_to_a_tenth() -> None:
    schedule = Schedule.of(3e-4, 40)
    rates = [schedule.at(step) for step in range(1, 41)]
    assert rates[0] < rates[1] < rates[3] <= 3e-4
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[-1] == pytest.approx(3e-5)
