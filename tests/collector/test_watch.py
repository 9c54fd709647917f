"""From scored events to a reference, to windows, to what workers are asked to test."""

import time

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.collector import watch
from driftline.collector.lease import MAX_ATTEMPTS

REFERENCE, WINDOW = 60, 30


@pytest.fixture
def watched(front):
    """A project with small windows."""
    monitor = {**front.get("/v1/monitor"), "reference_events": REFERENCE, "window_events": WINDOW}
    put_monitor(front, **{**monitor, "permutations": 199})
    return front


def put_monitor(front, **monitor):
    answer = front.client.put("/v1/monitor", json=monitor, headers=front.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


class Traffic:
    """Events in event order, a second apart."""

    def __init__(self, front, event, uuid7):
        self.front, self.event, self.uuid7 = front, event, uuid7
        self.at = time.time_ns() // 1_000_000 - 10_000_000
        self.ids = []

    def send(self, count, **fields):
        ids = []
        for _ in range(count):
            self.at += 1000
            ids.append(self.uuid7(self.at))
        self.front.send(*(self.event(id=i, output="o" * 9, **fields) for i in ids))
        self.ids += ids
        return ids


@pytest.fixture
def traffic(watched, event, uuid7):
    return Traffic(watched, event, uuid7)


def result_of(task, decision="stable", **fields):
    return {
        "window_id": task["window_id"],
        "decision": decision,
        "alpha": task["alpha"],
        "summary": "as before",
        "signals": [],
        "map": [{"x": 0.5, "y": 1.5, "side": "current", "event_id": "e", "label": ""}],
        **fields,
    }


def next_window(worker, eventually):
    """The lease of the next drift window; scores what comes before it."""

    def look():
        lease = worker.try_lease()
        if lease is not None and lease["kind"] == "score":
            worker.hand_in(lease)
            return None
        return lease

    return eventually(look)


def finish(worker, lease, expect=204, **fields):
    path = f"/v1/work/{lease['id']}/drift"
    return worker.front.post(path, result_of(lease["drift"], **fields), expect)


def test_the_first_scored_events_become_the_reference(watched, traffic, worker, eventually):
    traffic.send(REFERENCE - 1)
    worker.score_all()
    status = watched.get("/v1/drift/status")
    assert (status["state"], status["reference_count"]) == ("learning", REFERENCE - 1)
    assert status["reference_wanted"] == REFERENCE
    traffic.send(5)
    worker.score_all()
    status = eventually(lambda: (s := watched.get("/v1/drift/status"))["state"] == "watching" and s)
    assert status["reference_count"] == REFERENCE
    assert (status["events_in_next_window"], status["window_events"]) == (4, WINDOW)


def test_a_window_is_the_next_events_in_event_order(watched, traffic, worker, eventually):
    reference, current = traffic.send(REFERENCE), traffic.send(WINDOW)
    lease = next_window(worker, eventually)
    task = lease["drift"]
    assert (lease["kind"], lease["events"]) == ("drift", [])
    assert task["reference"]["event_ids"] == reference
    assert task["current"]["event_ids"] == current
    assert task["permutations"] == 199


def test_a_window_waits_until_all_its_events_are_scored(watched, traffic, worker, eventually):
    traffic.send(REFERENCE)
    worker.score_all()
    eventually(lambda: watched.get("/v1/drift/status")["state"] == "watching")
    traffic.send(WINDOW)
    held = worker.lease(max_events=1)
    worker.score_all()
    watch.plan(watched.services, held["project"])
    assert watched.get("/v1/drift/status")["events_in_next_window"] == 0
    assert worker.try_lease() is None
    worker.hand_in(held)
    assert next_window(worker, eventually)["drift"]["current"]["event_ids"] == traffic.ids[-WINDOW:]


def test_events_that_failed_or_are_no_llm_calls_are_left_out(watched, traffic, worker, eventually):
    traffic.send(REFERENCE)
    worker.score_all()
    (bad,) = traffic.send(1)
    for _ in range(MAX_ATTEMPTS):
        worker.hand_in(worker.lease(), {bad: "too strange"})
    (tool,) = traffic.send(1, kind="tool")
    good = traffic.send(WINDOW)
    task = next_window(worker, eventually)["drift"]
    assert task["current"]["event_ids"] == good
    assert {bad, tool}.isdisjoint(task["reference"]["event_ids"])


def test_drift_windows_come_before_events(watched, traffic, worker, eventually):
    traffic.send(REFERENCE + WINDOW)
    worker.score_all()
    eventually(lambda: watched.get("/v1/drift/status")["events_in_next_window"] == 0)
    watch.plan(watched.services, worker.front.get("/v1/drift/status") and project_of(watched))
    traffic.send(3)
    assert worker.lease()["kind"] == "drift"
    assert worker.lease()["kind"] == "score"


def project_of(front):
    return next(
        p["id"] for p in front.get("/v1/projects")["projects"] if p["name"] == front.project
    )


def test_a_tested_window_is_listed_without_its_map_and_shown_with_it(
    watched, traffic, worker, eventually
):
    traffic.send(REFERENCE + 2 * WINDOW)
    first = next_window(worker, eventually)
    finish(worker, first)
    second = next_window(worker, eventually)
    finish(worker, second)
    windows = watched.get("/v1/drift/windows")["windows"]
    assert [w["index"] for w in windows] == [2, 1]
    assert windows[0]["result"]["map"] == []
    shown = watched.get(f"/v1/drift/windows/{first['drift']['window_id']}")
    assert shown["result"] == result_of(first["drift"])
    assert (shown["n_reference"], shown["n_current"], shown["incident_id"]) == (60, 30, "")
    assert watched.get("/v1/drift/windows/win_nothing", expect=404)["code"] == "not_found"


def test_handing_in_a_window_twice_is_fine_and_stored_once(watched, traffic, worker, eventually):
    traffic.send(REFERENCE + WINDOW)
    lease = next_window(worker, eventually)
    finish(worker, lease)
    finish(worker, lease)
    assert len(watched.get("/v1/drift/windows")["windows"]) == 1


def test_a_window_whose_worker_vanished_is_tested_again_with_the_same_seed(
    watched, traffic, worker, clock, eventually
):
    traffic.send(REFERENCE + WINDOW)
    lease = next_window(worker, eventually)
    clock.advance(seconds=61)
    again = next_window(worker, eventually)
    assert again["drift"] == lease["drift"]
    assert finish(worker, lease, expect=409)["code"] == "lease_lost"
    finish(worker, again)


def test_a_crash_between_the_result_and_its_consequences_is_made_good(
    watched, traffic, worker, eventually, monkeypatch
):
    traffic.send(REFERENCE + WINDOW)
    lease = next_window(worker, eventually)

    def crash(*_):
        raise RuntimeError("the collector stops here")

    with monkeypatch.context() as patch:
        patch.setattr(watch.incidents, "after_window", crash)
        finish(worker, lease, expect=500, decision="drift")
    assert watched.get("/v1/incidents")["incidents"] == []
    finish(worker, lease, decision="drift")
    assert len(watched.get("/v1/incidents")["incidents"]) == 1
    assert len(watched.get("/v1/drift/windows")["windows"]) == 1


def test_a_window_that_nobody_can_test_is_closed_with_the_error_and_holds_nothing_up(
    watched, traffic, worker, eventually
):
    traffic.send(REFERENCE + 2 * WINDOW)
    for n in range(MAX_ATTEMPTS):
        lease = next_window(worker, eventually)
        assert lease["drift"]["window_id"].endswith("_1")
        watched.post(f"/v1/work/{lease['id']}/release", {"error": f"boom {n}"}, expect=204)
    following = next_window(worker, eventually)
    assert following["drift"]["window_id"].endswith("_2")
    (closed,) = watched.get("/v1/drift/windows")["windows"]
    assert closed["result"]["decision"] == "not_enough_data"
    assert "boom 2" in closed["result"]["summary"]


def test_a_window_given_back_without_error_is_no_failed_attempt(
    watched, traffic, worker, eventually
):
    traffic.send(REFERENCE + WINDOW)
    for _ in range(MAX_ATTEMPTS + 1):
        lease = next_window(worker, eventually)
        watched.post(f"/v1/work/{lease['id']}/release", {}, expect=204)
    finish(worker, next_window(worker, eventually))


def test_a_result_for_another_window_is_refused(watched, traffic, worker, eventually):
    traffic.send(REFERENCE + WINDOW)
    lease = next_window(worker, eventually)
    answer = finish(worker, lease, expect=422, window_id="win_other")
    assert answer["field"] == "window_id"
    finish(worker, lease)


@pytest.mark.parametrize("side", ["reference", "current"])
def test_features_are_one_arrow_stream_in_event_order(watched, traffic, worker, eventually, side):
    traffic.send(REFERENCE + WINDOW)
    task = next_window(worker, eventually)["drift"]
    path = f"/v1/drift/windows/{task['window_id']}/features"
    answer = watched.client.get(path, params={"side": side}, headers=watched.headers)
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.column_names == ["event_id", "prompt", "response", "scores"]
    assert pa.types.is_list(table.schema.field("prompt").type)
    assert table.schema.field("prompt").type.value_type == pa.float32()
    assert pa.types.is_map(table.schema.field("scores").type)
    assert table.column("event_id").to_pylist() == task[side]["event_ids"]
    assert table.column("response").to_pylist()[0] == [9.0, 1.0]
    assert dict(table.column("scores").to_pylist()[-1]) == {"response_length": 9.0}


def test_features_hold_the_latest_score_after_rescoring(watched, traffic, worker, eventually):
    traffic.send(REFERENCE + WINDOW)
    task = next_window(worker, eventually)["drift"]
    span = {"start": task["current"]["start"], "end": "2100-01-01T00:00:00Z"}
    assert watched.post("/v1/work/rescore", span)["events"] == WINDOW
    lease = worker.lease(max_events=1)
    (first,) = [e["id"] for e in lease["events"]]
    scores = [{"event_id": first, "name": "response_length", "value": 77.0}]
    body = {"scores": scores, "embeddings": []}
    watched.post(f"/v1/work/{lease['id']}/scores", body, expect=204)
    path = f"/v1/drift/windows/{task['window_id']}/features?side=current"
    answer = watched.client.get(path, headers=watched.headers)
    table = pa.ipc.open_stream(answer.content).read_all()
    assert dict(table.column("scores").to_pylist()[0]) == {"response_length": 77.0}
    assert table.num_rows == WINDOW


def test_features_of_another_project_are_not_found(watched, traffic, worker, uuid7, eventually):
    traffic.send(REFERENCE + WINDOW)
    task = next_window(worker, eventually)["drift"]
    other = watched.for_project(f"other {uuid7()}")
    path = f"/v1/drift/windows/{task['window_id']}"
    other.get(path, expect=404)
    other.get(f"{path}/features", expect=404, side="current")


def test_a_pinned_reference_counts_from_now_on_and_windows_do_not_overlap(
    watched, traffic, worker, eventually
):
    traffic.send(REFERENCE + WINDOW)
    first = next_window(worker, eventually)
    finish(worker, first)
    pin = {"start": first["drift"]["reference"]["start"], "end": "2100-01-01T00:00:00Z"}
    status = watched.post("/v1/drift/reference", {**pin, "name": "good week"})
    assert (status["reference_name"], status["reference_count"]) == ("good week", 90)
    fresh = traffic.send(WINDOW)
    task = next_window(worker, eventually)["drift"]
    assert task["reference"]["name"] == "good week"
    assert task["current"]["event_ids"] == fresh


def test_a_reference_needs_enough_scored_events(watched, traffic, worker):
    traffic.send(10)
    worker.score_all()
    span = {"start": "2020-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"}
    answer = watched.post("/v1/drift/reference", span, expect=422)
    assert answer["code"] == "too_few_events" and "10 scored" in answer["message"]
    span["start"] = "last week"
    assert watched.post("/v1/drift/reference", span, expect=422)["field"] == "start"


def test_a_project_that_is_not_watched_plans_nothing(watched, traffic, worker):
    put_monitor(watched, **{**watched.get("/v1/monitor"), "enabled": False})
    traffic.send(REFERENCE + WINDOW)
    worker.score_all()
    assert watch.plan(watched.services, project_of(watched)) == 0
    assert watched.get("/v1/drift/status")["state"] == "off"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reference_events", 1),
        ("window_events", 0),
        ("alpha", 0),
        ("alpha", 1),
        ("permutations", 10**9),
        ("resolve_after", 0),
        ("finetune", "maybe"),
    ],
)
def test_a_monitor_outside_its_bounds_is_refused_by_field(front, field, value):
    monitor = {**front.get("/v1/monitor"), field: value}
    answer = front.client.put("/v1/monitor", json=monitor, headers=front.headers)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


@given(st.text(max_size=60))
def test_a_windows_seed_is_always_the_same_32_bits(window_id):
    assert watch._seed(window_id) == watch._seed(window_id) < 2**32
