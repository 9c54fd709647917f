"""Jobs through the front door: a real collector, a real trainer process, a tiny model."""

import dataclasses
import json
import signal
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest

from driftline.sdk.api import Api
from driftline.sdk.errors import Conflict
from driftline.sdk.ids import uuid7
from driftline.sdk.records import Job, JobSpec, Score

StartTrainer = Callable[..., AbstractContextManager[subprocess.Popen[bytes]]]
Until = Callable[[Callable[[], bool], str], None]


class Collector(Protocol):
    """What conftest's fixture gives."""

    url: str
    admin: Api
    key: str

    def project(self, name: str) -> Api: ...


ENDS = {"promoted", "rejected", "failed", "cancelled"}
SPEC = JobSpec(
    rank=4,
    learning_rate=5e-3,
    max_steps=8,
    pilot_steps=3,
    pilot_rows=8,
    max_length=200,
    test_rows=8,
    max_rows=60,
)


@pytest.fixture
def spec(tiny_path: Path) -> JobSpec:
    return dataclasses.replace(SPEC, base=str(tiny_path))


@pytest.fixture
def project(collector: Collector, request: pytest.FixtureRequest) -> Api:
    """A project with 50 scored events: 5 hallucinated, 3 errors, the rest good."""
    api = collector.project(request.node.name)
    api.send_lines([line(number) for number in range(50)])
    worker = Api(collector.url, collector.key, project=api.project)
    while (lease := worker.lease_work("test", max_events=50)) is not None:
        scores = [score for e in lease.events for score in scores_of(e.id, e.output)]
        worker.finish_scoring(lease.id, scores, [], {})
    return api


def line(number: int) -> dict[str, object]:
    now = time.time_ns()
    return {
        "id": uuid7(now // 1_000_000, number, number * 7919 + now),
        "start_time": now // 1000,
        "input": f"what is the colour of thing {number}?",
        "output": f"thing {number} is {'invented' if number < 5 else 'painted'} in {number * 7}",
        "context": [f"thing {number} is painted in shade {number * 7}"],
        "status": "error" if number >= 47 else "ok",
    }


def scores_of(event_id: str, output: str) -> list[Score]:
    bad = 0.9 if "invented" in output else 0.1
    return [
        Score(event_id, "hallucination", bad, metric_version="1"),
        Score(event_id, "response_refusal", 0.0, metric_version="1"),
    ]


def test_a_job_becomes_a_registered_adapter_with_a_verdict(
    project: Api, spec: JobSpec, start_trainer: StartTrainer, tmp_path: Path
) -> None:
    job_id = project.create_job(spec, idempotency_key="one").id
    with start_trainer("--once") as trainer:
        assert trainer.wait(120) == 0
    job = project.job(job_id)
    assert job.state in ("promoted", "rejected"), (
        job.error,
        (tmp_path / "trainer.log").read_text(),
    )
    assert job.gate and job.gate.verdict == {"promoted": "promote", "rejected": "reject"}[job.state]
    assert job.dataset and job.dataset.considered == 50
    assert job.dataset.dropped == {"hallucinated": 5, "error": 3}
    assert job.dataset.train + job.dataset.validation + job.dataset.test == 42
    assert_losses(job)
    (model,) = project.models()
    assert model.id == job.model_id and model.job_id == job_id
    folder = Path(urllib.parse.unquote(urllib.parse.urlsplit(model.uri).path))
    assert folder == tmp_path / "home" / "registry" / project.project / "tiny0-lora" / "v1"
    facts = json.loads(model.manifest)
    assert facts == json.loads((folder / "manifest.json").read_text())
    ids = [event for split in facts["events"].values() for event in split]
    assert len(set(ids)) == len(ids) == 42
    assert {event.id for event in project.event_bodies(ids)} == set(ids)
    assert facts["dataset_sha256"] == job.dataset.sha256


def assert_losses(job: Job) -> None:
    found = {(p.phase, p.split): p.step for p in job.losses}
    assert found == {("pilot", "train"): 3, ("train", "train"): 8, ("train", "validation"): 8}


def test_a_job_without_enough_data_fails_with_the_reason(
    collector: Collector, spec: JobSpec, start_trainer: StartTrainer
) -> None:
    api = collector.project("empty")
    job_id = api.create_job(spec, idempotency_key="one").id
    with start_trainer("--once") as trainer:
        assert trainer.wait(120) == 0
    job = api.job(job_id)
    assert job.state == "failed"
    assert "0 of 0 events kept" in job.error and "wait for more traffic" in job.error


def test_a_base_that_is_not_there_fails_the_job_and_not_the_trainer(
    project: Api, spec: JobSpec, start_trainer: StartTrainer, until: Until
) -> None:
    bad = dataclasses.replace(spec, base="pypi:no-such-model-anywhere")
    first = project.create_job(bad, idempotency_key="bad").id
    with start_trainer() as trainer:
        until(lambda: project.job(first).state == "failed", "the bad job fails")
        second = project.create_job(spec, idempotency_key="good").id
        until(lambda: project.job(second).state in ENDS, "the next job ends")
        assert trainer.poll() is None
    assert "not installed" in project.job(first).error
    assert project.job(second).state in ("promoted", "rejected")


def test_a_cancelled_job_stops_and_registers_nothing(
    project: Api, spec: JobSpec, start_trainer: StartTrainer, until: Until
) -> None:
    long = dataclasses.replace(spec, max_steps=100_000, patience=100_000)
    job_id = project.create_job(long, idempotency_key="long").id
    with start_trainer("--once") as trainer:
        until(lambda: project.job(job_id).state == "training", "training begins")
        project.cancel_job(job_id)
        assert trainer.wait(60) == 0
    assert project.job(job_id).state == "cancelled"
    assert project.models() == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_job_whose_trainer_died_is_resumed_where_it_was(
    number: signal.Signals,
    project: Api,
    spec: JobSpec,
    start_trainer: StartTrainer,
    until: Until,
    tmp_path: Path,
) -> None:
    long = dataclasses.replace(spec, max_steps=400, patience=400)
    job_id = project.create_job(long, idempotency_key="long").id
    with start_trainer() as trainer:
        until(lambda: steps(project, job_id) >= 80, "80 steps are done")
        trainer.send_signal(number)
        assert trainer.wait(60) == (0 if number == signal.SIGTERM else -number)
    with start_trainer():
        until(lambda: project.job(job_id).state in ENDS, "the job ends")
    job = project.job(job_id)
    assert job.state in ("promoted", "rejected"), job.error
    assert job.attempts >= 2  # a starved machine may lose a short lease once more
    assert steps(project, job_id) == 400
    assert "resumed at step" in (tmp_path / "trainer.log").read_text()
    assert len(project.models()) == 1


def steps(api: Api, job_id: str) -> int:
    losses = api.job(job_id).losses
    return max((p.step for p in losses if (p.phase, p.split) == ("train", "train")), default=0)


def test_a_trainer_says_that_it_lives_and_what_it_did(
    project: Api, spec: JobSpec, start_trainer: StartTrainer, until: Until, tmp_path: Path
) -> None:
    job_id = project.create_job(spec, idempotency_key="one").id
    with start_trainer():
        until(lambda: project.job(job_id).state in ENDS, "the job ends")
        until(lambda: "job left" in (tmp_path / "trainer.log").read_text(), "it is counted")
        lines = (tmp_path / "trainer.log").read_text().splitlines()
        port = next(json.loads(text)["port"] for text in lines if '"port"' in text)
        pages = [get(port, path) for path in ("healthz", "readyz", "metrics")]
    assert "driftline_trainer_jobs_total" in pages[2]
    assert 'phase="train",split="train"} 8.0' in pages[2]
    logged = (tmp_path / "trainer.log").read_text()
    assert "colour of thing" not in logged and "painted" not in logged


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
        return str(answer.read().decode())


def test_a_wrong_key_ends_the_trainer_with_the_reason(
    start_trainer: StartTrainer, tmp_path: Path
) -> None:
    with start_trainer("--key", "sk-dl-00000000-nobody") as trainer:
        assert trainer.wait(60) == 1
    assert "refuses this trainer" in (tmp_path / "trainer.log").read_text()


def test_a_lost_job_is_refused_by_the_collector(
    project: Api, collector: Collector, spec: JobSpec
) -> None:
    """What Progress relies on: a report for a job that is cancelled is a Conflict."""
    job_id = project.create_job(spec, idempotency_key="one").id
    executor = Api(collector.url, collector.key, project=project.project)
    leased = executor.lease_job("me")
    assert leased and leased.id == job_id
    project.cancel_job(job_id)
    with pytest.raises(Conflict):
        executor.report_job(job_id, "me", "training")
