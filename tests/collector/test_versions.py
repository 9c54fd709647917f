"""A metric that changed: values of its versions are never put together."""

from __future__ import annotations

import time

import pyarrow as pa

CARD = {
    "name": "response_length", "title": "Response length", "group": "Text", "package": "driftline",
    "formula": "code points", "source": "definition", "needs": "response", "low": 0.0, "high": None,
    "unit": "character", "lies": "never", "cost": "microseconds", "version": "1", "default": True,
}  # fmt: skip


def announce(front, version: str) -> None:
    body = {"metrics": [{**CARD, "version": version}]}
    answer = front.client.put("/v1/metrics", json=body, headers=front.headers)
    assert answer.status_code == 204, answer.text


def score(front, worker, event, version: str, value: float) -> None:
    front.send(event(output="hello"))
    lease = worker.lease()
    scores = [
        {
            "event_id": one["id"],
            "name": "response_length",
            "value": value,
            "metric_version": version,
        }
        for one in lease["events"]
    ]
    body = {"scores": scores, "embeddings": [], "failed": {}}
    front.post(f"/v1/work/{lease['id']}/scores", body, 204)


def mean(front) -> float | None:
    points = front.get("/v1/scores/series", name="response_length", buckets=1)["points"]
    values = [point["value"] for point in points if point["value"] is not None]
    return sum(values) / len(values) if values else None


def test_a_chart_is_of_the_version_of_today(front, worker, event):
    announce(front, "1")
    score(front, worker, event, "1", 10.0)
    assert mean(front) == 10.0
    announce(front, "2")
    assert mean(front) is None
    score(front, worker, event, "2", 99.0)
    assert mean(front) == 99.0


def test_a_trace_in_the_list_is_of_the_version_of_today(front, worker, event):
    announce(front, "1")
    score(front, worker, event, "1", 10.0)
    (trace,) = front.get("/v1/traces")["rows"]
    assert trace["scores"] == {"response_length": 10.0}
    announce(front, "2")
    (trace,) = front.get("/v1/traces")["rows"]
    assert trace["scores"] == {}


def test_without_a_card_nobody_knows_the_version_and_the_newest_value_counts(front, worker, event):
    alone = front.for_project("never announced")
    score(alone, type(worker)(alone), event, "7", 5.0)
    assert mean(alone) == 5.0


def test_what_an_app_says_has_no_version_and_stays_in_the_chart(front, worker, event):
    announce(front, "2")
    one = event(output="hello")
    front.send(one)
    front.send({"type": "score", "event_id": one["id"], "name": "response_length", "value": 3.0})
    assert mean(front) == 3.0


def test_a_drift_window_gets_the_version_of_today_only(front, worker, event, uuid7, eventually):
    announce(front, "1")
    monitor = {"reference_events": 60, "window_events": 30, "permutations": 199}
    front.client.put("/v1/monitor", json=monitor, headers=front.headers)
    at = time.time_ns() // 1_000_000 - 10_000_000
    front.send(*(event(id=uuid7(at + 1000 * n), output="o" * 9) for n in range(90)))

    def window():
        lease = worker.try_lease()
        if lease is not None and lease["kind"] == "score":
            worker.hand_in(lease)
            return None
        return lease

    path = f"/v1/drift/windows/{eventually(window)['drift']['window_id']}/features?side=current"

    def lengths() -> set[float | None]:
        stream = front.client.get(path, headers=front.headers).content
        rows = pa.ipc.open_stream(stream).read_all().column("scores").to_pylist()
        return {dict(row or ()).get("response_length") for row in rows}

    assert lengths() == {9.0}
    announce(front, "2")
    assert lengths() == {None}
