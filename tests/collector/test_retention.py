"""Old weeks go by dropping partitions: rows, charts and bytes."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from driftline.sdk.records import ProjectSettings

pytestmark = pytest.mark.parametrize(
    "clickhouse_url", ["embedded", "server"], indirect=True, scope="module"
)
DAY_MS = 86_400_000
START = (datetime.now(UTC) - timedelta(200)).isoformat()


@pytest.fixture
def ago(event, uuid7):
    """An event of so many days ago."""

    def ago(days, **fields):
        at = int(datetime.now(UTC).timestamp() * 1000) - int(days * DAY_MS)
        return event(id=uuid7(at), start_time=at * 1000, **fields)

    return ago


@pytest.fixture
def keep(front):
    def keep(days, project=front):
        wanted = dataclasses.asdict(ProjectSettings(retention_days=days))
        answer = project.client.put("/v1/settings", json=wanted, headers=project.headers)
        assert answer.status_code == 200, answer.text

    return keep


def count(front):
    overview = front.get("/v1/overview", start=START, buckets=10)
    listed = front.get("/v1/events", start=START, limit=1000)["rows"]
    assert overview["events"] == len(listed)
    return len(listed)


def weeks(front, fate=None):
    return [w for w in front.get("/v1/retention")["weeks"] if fate in (None, w["fate"])]


def test_weeks_that_are_over_go_and_the_rest_stays(front, worker, ago, keep):
    front.send(*(ago(days, output="x" * 100) for days in (0, 1, 5, 30, 31, 60, 90)))
    worker.score_all()
    assert count(front) == 7
    assert front.post("/v1/retention/run", {})["dropped"] == []
    keep(45)
    assert len(weeks(front, "drop")) == 2
    assert len(front.post("/v1/retention/run", {})["dropped"]) == 2
    assert count(front) == 5
    assert front.post("/v1/retention/run", {})["dropped"] == []
    names = ("scores", "embeddings")
    for table in names:
        ((oldest,),) = front.services.clickhouse.query(
            f"SELECT min(event_time) FROM {table} WHERE project = {{project:String}}",
            project=front.project_id,
        )
        assert oldest > datetime.now(UTC) - timedelta(45)


def test_a_week_stays_until_all_of_it_is_over(front, ago, keep):
    front.send(*(ago(days) for days in range(29)))
    keep(10)
    front.post("/v1/retention/run", {})
    left = count(front)
    assert 10 < left <= 18
    assert left == sum(week["events"] for week in weeks(front))


def test_another_project_loses_nothing(front, ago, keep):
    other = front.for_project(f"{front.project} too")
    front.send(ago(60))
    other.send(ago(60))
    keep(7)
    front.post("/v1/retention/run", {})
    assert (count(front), count(other)) == (0, 1)


def test_the_bytes_are_gone(front, ago, keep, eventually, clickhouse_url, request):
    if not clickhouse_url.startswith("chdb"):
        pytest.skip("the server's directory is its own")
    directory = clickhouse_url.removeprefix("chdb://")
    front.send(*(ago(80, output=os.urandom(5000).hex()) for _ in range(200)))
    front.send(ago(0))
    stored = sum(week["bytes"] for week in weeks(front))
    before = disk(directory)
    assert stored > 1_000_000
    keep(30)
    front.post("/v1/retention/run", {})
    assert sum(week["bytes"] for week in weeks(front)) < stored / 50
    eventually(lambda: disk(directory) < before - 0.9 * stored)


def disk(directory):
    """Bytes that the directory takes."""
    asked = subprocess.run(["du", "-sb", directory], capture_output=True, text=True, check=False)
    return int(asked.stdout.split()[0])


def test_the_drift_reference_is_held_until_there_is_another(front, worker, ago, keep):
    front.send(*(ago(60 + n / 100, output="word " * n) for n in range(60)))
    worker.score_all()
    span = {
        "start": (datetime.now(UTC) - timedelta(70)).isoformat(),
        "end": (datetime.now(UTC) - timedelta(50)).isoformat(),
    }
    front.post("/v1/drift/reference", {**span, "name": "spring"})
    keep(30)
    held = weeks(front, "held")
    assert held and {week["reason"] for week in held} == {"the drift reference"}
    assert front.post("/v1/retention/run", {})["dropped"] == []
    assert count(front) == 60


def test_the_dataset_of_a_queued_job_is_held_until_it_is_cancelled(front, ago, keep):
    front.send(ago(60))
    keep(30)
    job = front.post("/v1/jobs", {"spec": {}, "idempotency_key": "k"})
    front.post(f"/v1/jobs/{job['id']}/approve", {})
    assert [week["reason"] for week in weeks(front, "held")] == [f"the job {job['id']}"]
    assert front.post("/v1/retention/run", {})["dropped"] == []
    front.post(f"/v1/jobs/{job['id']}/cancel", {})
    assert len(front.post("/v1/retention/run", {})["dropped"]) == 1


def test_the_collector_does_it_by_itself(front, ago, keep, client):
    from driftline.collector.periodic import Periodic

    front.send(ago(60))
    keep(30)
    tidy = next(d for d in Periodic(front.services).duties if d.name == "tidy")
    assert tidy.tick()
    assert count(front) == 0
    tidy.close()
