"""Leasing events and handing in results: everything is scored, nothing twice."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from driftline.collector import work
from driftline.collector.lease import KEEP_DAYS
from driftline.collector.tables import AttemptRow, LeaseRow, ProjectRow


def sent(front, event, uuid7, count, start_ms=1_750_000_000_000, **fields):
    """The ids of `count` events, one second apart, in the order of their time."""
    ids = [uuid7(start_ms + 1000 * n) for n in range(count)]
    front.send(*(event(id=i, output="o" * (n + 1), **fields) for n, i in enumerate(ids)))
    return ids


def ids_of(lease):
    return [event["id"] for event in lease["events"]]


def scores_of(front, event_id):
    return {s["name"]: s for s in front.get(f"/v1/events/{event_id}/scores")["scores"]}


def stored(front, table):
    """How many rows the table holds of the project's events, each sort key once, as readers do."""
    ((count,),) = front.services.clickhouse.query(
        f"SELECT count() FROM {table} FINAL WHERE project = {{project:String}}",
        project=front.get("/v1/drift/status") and project_id(front),
    )
    return count


def project_id(front):
    projects = front.get("/v1/projects")["projects"]
    return next(p["id"] for p in projects if p["name"] == front.project)


def lease_rows(front):
    with front.services.control.reading() as session:
        return session.scalar(select(func.count()).select_from(LeaseRow)) or 0


def attempts(front):
    with front.services.control.reading() as session:
        query = select(AttemptRow).where(AttemptRow.project_id == project_id(front))
        return {row.event_id: row.count for row in session.scalars(query)}


def test_events_are_leased_oldest_first_with_their_bodies(front, event, uuid7, worker):
    ids = sent(front, event, uuid7, 5, input="why?", context=["because"])
    lease = worker.lease(max_events=3)
    assert (lease["kind"], ids_of(lease)) == ("score", ids[:3])
    assert lease["events"][0]["output"] == "o" and lease["events"][0]["context"] == ["because"]
    assert ids_of(worker.lease(max_events=10)) == ids[3:]
    assert worker.try_lease() is None


def test_a_handed_in_event_has_its_scores_its_vectors_and_its_marker(front, event, worker):
    line = event(output="four", sample_weight=2.5)
    front.send(line)
    worker.hand_in(worker.lease())
    scores = scores_of(front, line["id"])
    assert scores["response_length"]["value"] == 4.0
    assert (scores["scored"]["value"], scores["scored"]["label"]) == (1.0, "ok")
    assert stored(front, "embeddings") == 2
    assert worker.try_lease() is None


def test_events_of_every_kind_get_a_marker(front, event, worker):
    front.send(*(event(kind=kind) for kind in ("llm", "retrieval", "tool", "agent", "chain")))
    assert worker.score_all() == 5
    assert front.get("/v1/overview")["pending"] == 0


def test_handing_in_a_finished_lease_again_changes_nothing(front, event, uuid7, worker):
    sent(front, event, uuid7, 4)
    lease = worker.lease()
    worker.hand_in(lease)
    worker.hand_in(lease)
    assert (stored(front, "scores"), stored(front, "embeddings")) == (8, 8)


def test_the_same_results_arriving_many_times_at_once_are_stored_once(front, event, uuid7, worker):
    sent(front, event, uuid7, 4)
    lease = worker.lease()
    failed = {lease["events"][0]["id"]: "out of memory"}
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: worker.hand_in(lease, failed), range(4)))
    assert stored(front, "scores") == 6
    assert stored(front, "embeddings") == 6
    assert attempts(front) == {lease["events"][0]["id"]: 1}


def test_results_of_a_lost_lease_are_a_conflict_and_not_stored(front, event, uuid7, worker, clock):
    ids = sent(front, event, uuid7, 2)
    lease = worker.lease(lease_seconds=30)
    clock.advance(seconds=31)
    assert worker.hand_in(lease, expect=409)["code"] == "lease_lost"
    assert stored(front, "scores") == 0
    assert set(ids_of(worker.lease())) <= set(ids)


def test_a_renewed_lease_is_kept_and_a_lost_one_cannot_be_renewed(front, event, worker, clock):
    front.send(event())
    lease = worker.lease(lease_seconds=30)
    clock.advance(seconds=20)
    front.post(f"/v1/work/{lease['id']}/renew", {"lease_seconds": 30}, expect=204)
    clock.advance(seconds=20)
    worker.hand_in(lease)
    front.send(event())
    lost = worker.lease(lease_seconds=10)
    clock.advance(seconds=11)
    assert front.post(f"/v1/work/{lost['id']}/renew", {}, expect=409)["code"] == "lease_lost"


def test_a_worker_that_is_late_was_not_dead_and_costs_its_events_no_attempt(
    front, event, uuid7, worker, clock, eventually
):
    ids = sent(front, event, uuid7, 2)
    lease = worker.lease(lease_seconds=5)
    clock.advance(seconds=6)
    eventually(lambda: attempts(front) == dict.fromkeys(ids, 0))
    assert worker.hand_in(lease, expect=409)["code"] == "lease_lost"
    assert attempts(front) == {}
    front.post(f"/v1/work/{lease['id']}/renew", {}, expect=409)
    assert attempts(front) == {}
    worker.hand_in(worker.lease())
    assert stored(front, "scores") == 4


def test_released_work_is_leased_again_at_once(front, event, uuid7, worker):
    ids = sent(front, event, uuid7, 3)
    lease = worker.lease()
    front.post(f"/v1/work/{lease['id']}/release", {}, expect=204)
    assert ids_of(worker.lease()) == ids
    assert attempts(front) == {}


def test_a_poison_event_is_marked_failed_after_three_attempts_and_its_neighbours_are_scored(
    front, event, uuid7, worker, clock, eventually
):
    """The worker dies whenever it holds the second event."""
    ids = sent(front, event, uuid7, 3)
    poison, deaths = ids[1], 0
    for _ in range(10):
        lease = worker.try_lease(lease_seconds=1)
        if lease is None:
            break
        if poison in ids_of(lease):
            deaths += 1
            before = attempts(front).get(poison, -1)
            clock.advance(seconds=2)
            eventually(lambda before=before: attempts(front).get(poison, -1) == before + 1)
        else:
            worker.hand_in(lease)
    assert deaths == 4  # once in company, three times alone
    marker = scores_of(front, poison)["scored"]
    assert marker["label"] == "failed" and "vanished" in marker["explanation"]
    for neighbour in (ids[0], ids[2]):
        assert scores_of(front, neighbour)["scored"]["label"] == "ok"
    assert attempts(front) == {}
    overview = front.get("/v1/overview", start="2025-06-01T00:00:00Z")
    assert (overview["scored"], overview["failed_scoring"], overview["pending"]) == (2, 1, 0)


def test_an_event_that_a_worker_reports_failed_three_times_keeps_its_last_error(
    front, event, worker
):
    line = event()
    front.send(line)
    for n in range(3):
        worker.hand_in(worker.lease(), {line["id"]: f"boom {n}"})
        assert "response_length" not in scores_of(front, line["id"])
    assert worker.try_lease() is None
    marker = scores_of(front, line["id"])["scored"]
    assert (marker["label"], marker["explanation"]) == ("failed", "boom 2")


def test_giving_work_back_with_an_error_counts_as_an_attempt(front, event, worker):
    line = event()
    front.send(line)
    for _ in range(3):
        lease = worker.lease()
        front.post(f"/v1/work/{lease['id']}/release", {"error": "no model"}, expect=204)
    assert worker.try_lease() is None
    assert scores_of(front, line["id"])["scored"]["explanation"] == "no model"


def test_a_crash_between_the_insert_and_the_end_of_the_lease_scores_nothing_twice(
    front, event, uuid7, worker, clock, monkeypatch, eventually
):
    """The collector stops right after ClickHouse has the rows; the worker tries again, or dies."""
    ids = sent(front, event, uuid7, 2)
    lease = worker.lease(lease_seconds=5)

    def crash(*_):
        raise RuntimeError("the collector stops here")

    with monkeypatch.context() as patch:
        patch.setattr(work, "_finish", crash)
        worker.hand_in(lease, expect=500)
    assert stored(front, "scores") == 4
    worker.hand_in(lease)
    assert (stored(front, "scores"), stored(front, "embeddings")) == (4, 4)
    assert worker.try_lease() is None
    assert {scores_of(front, i)["scored"]["label"] for i in ids} == {"ok"}


def test_a_worker_that_dies_after_such_a_crash_does_not_make_scored_events_failed(
    front, event, worker, clock, monkeypatch, eventually
):
    line = event()
    front.send(line)
    for n in range(2):
        worker.hand_in(worker.lease(), {line["id"]: f"boom {n}"})
    lease = worker.lease(lease_seconds=5)

    def crash(*_):
        raise RuntimeError("the collector stops here")

    with monkeypatch.context() as patch:
        patch.setattr(work, "_finish", crash)
        worker.hand_in(lease, expect=500)
    clock.advance(seconds=120)
    eventually(lambda: attempts(front) == {line["id"]: 3})
    assert worker.try_lease() is None
    assert scores_of(front, line["id"])["scored"]["label"] == "ok"
    assert attempts(front) == {}


def test_many_workers_at_once_never_get_the_same_event(front, event, uuid7, worker):
    ids = sent(front, event, uuid7, 40)
    with ThreadPoolExecutor(4) as pool:
        leases = list(pool.map(lambda _: worker.lease(max_events=5), range(8)))
    leased = [event_id for lease in leases for event_id in ids_of(lease)]
    assert sorted(leased) == sorted(ids)


def test_projects_take_turns(front, event, uuid7, worker):
    """A busy project, first in line, does not starve a quiet one."""
    quiet = front.for_project(f"quiet {uuid7()}")
    sent(front, event, uuid7, 30)
    (late,) = sent(quiet, event, uuid7, 1)
    everyone = type(worker)(type(front)(front.client, front.key, ""))
    served = []
    while late not in served:
        lease = everyone.lease(max_events=5)
        everyone.hand_in(lease)
        served += ids_of(lease)
    assert len(served) <= 11


def test_events_that_arrive_late_with_an_old_time_are_scored_too(front, event, uuid7, worker):
    sent(front, event, uuid7, 3)
    assert worker.score_all() == 3
    (old,) = sent(front, event, uuid7, 1, start_ms=1_600_000_000_000)
    assert ids_of(worker.lease()) == [old]


def test_what_arrives_after_the_watermark_moved_is_found(
    front, event, uuid7, worker, clock, eventually
):
    sent(front, event, uuid7, 3)
    worker.score_all()
    clock.advance(seconds=600)

    def moved():
        with front.services.control.reading() as session:
            row = session.get(ProjectRow, project_id(front))
            return row.scored_through and (clock() - row.scored_through).total_seconds() < 300

    eventually(moved)
    (new,) = sent(front, event, uuid7, 1, start_ms=1_740_000_000_000)
    assert ids_of(worker.lease()) == [new]


def test_rescoring_leases_the_events_of_the_span_again_and_replaces_their_scores(
    front, event, uuid7, worker, clock, eventually
):
    ids = sent(front, event, uuid7, 4)
    worker.score_all()
    span = {"start": "2025-06-15T15:06:41Z", "end": "2025-06-15T15:06:43Z"}
    assert front.post("/v1/work/rescore", span) == {"events": 2}
    lease = worker.lease()
    assert ids_of(lease) == ids[1:3]
    worker.hand_in(lease)
    assert worker.try_lease() is None
    scores = front.get(f"/v1/events/{ids[1]}/scores")["scores"]
    assert sorted(s["name"] for s in scores) == ["response_length", "scored"]


def test_rescoring_reaches_behind_the_watermark(front, event, uuid7, worker, clock, eventually):
    ids = sent(front, event, uuid7, 2)
    worker.score_all()
    clock.advance(hours=1)

    def watermark():
        with front.services.control.reading() as session:
            return session.get(ProjectRow, project_id(front)).scored_through

    eventually(lambda: watermark() and (clock() - watermark()).total_seconds() < 600)
    front.post("/v1/work/rescore", {"start": "2025-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"})
    assert ids_of(worker.lease()) == ids


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"start": "soon", "end": "2026-01-01T00:00:00Z"}, "start"),
        ({"start": "2026-01-01T00:00:00Z", "end": "never"}, "end"),
        ({"start": "0001-01-01T00:00:00+23:59", "end": "2026-01-01T00:00:00Z"}, "start"),
    ],
)
def test_a_wrong_time_to_rescore_is_named(front, body, field):
    assert front.post("/v1/work/rescore", body, expect=422)["field"] == field


def test_rescoring_nothing_is_zero(front):
    span = {"start": "2025-01-01T00:00:00Z", "end": "2025-01-02T00:00:00Z"}
    assert front.post("/v1/work/rescore", span) == {"events": 0}


def test_results_about_other_events_are_refused_and_nothing_is_stored(front, event, uuid7, worker):
    front.send(event(), event())
    lease = worker.lease(max_events=1)
    foreign = {"event_id": uuid7(), "name": "response_length", "value": 1.0}
    body = {"scores": [foreign], "embeddings": []}
    answer = front.post(f"/v1/work/{lease['id']}/scores", body, expect=422)
    assert (answer["code"], answer["field"]) == ("invalid_field", "event_id")
    assert stored(front, "scores") == 0
    worker.hand_in(lease)


@pytest.mark.parametrize(
    "change",
    [
        {"scores": [{"name": "scored", "value": 1.0}]},
        {"embeddings": [{"field": "prompt", "model": "m", "vector": "not base64!"}]},
        {"embeddings": [{"field": "prompt", "model": "m", "vector": ""}]},
        {"embeddings": [{"field": "prompt", "model": "m", "vector": "AAA="}]},
        {"scores": [{"name": "x", "value": "many"}]},
    ],
)
def test_results_that_cannot_be_stored_are_refused(front, event, worker, change):
    front.send(event())
    lease = worker.lease()
    event_id = ids_of(lease)[0]
    body = {"scores": [], "embeddings": []}
    body |= {
        key: [{**item, "event_id": event_id} for item in items] for key, items in change.items()
    }
    front.post(f"/v1/work/{lease['id']}/scores", body, expect=422)
    assert (stored(front, "scores"), stored(front, "embeddings")) == (0, 0)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_none_is_refused(front, event, worker, number):
    front.send(event())
    lease = worker.lease()
    score = f'{{"event_id": "{ids_of(lease)[0]}", "name": "x", "value": {number}}}'
    body = f'{{"scores": [{score}], "embeddings": []}}'
    headers = {**front.headers, "Content-Type": "application/json"}
    answer = front.client.post(f"/v1/work/{lease['id']}/scores", content=body, headers=headers)
    assert answer.status_code == 422
    assert stored(front, "scores") == 0


def test_another_projects_lease_is_not_found(front, event, uuid7, worker):
    front.send(event())
    lease = worker.lease()
    other = front.for_project(f"other {uuid7()}")
    for act, body in (("renew", {}), ("release", {}), ("scores", {"scores": [], "embeddings": []})):
        other.post(f"/v1/work/{lease['id']}/{act}", body, expect=404)
    worker.hand_in(lease)


def test_a_lease_of_events_takes_no_drift_result(front, event, worker):
    front.send(event())
    lease = worker.lease()
    result = {
        "window_id": "",
        "decision": "stable",
        "alpha": 0.01,
        "summary": "",
        "signals": [],
        "map": [],
    }
    assert front.post(f"/v1/work/{lease['id']}/drift", result, expect=409)["code"] == "lease_kind"


def test_leases_that_ended_long_ago_are_forgotten(front, event, worker, clock, eventually):
    front.send(event())
    worker.score_all()
    assert lease_rows(front) > 0
    clock.advance(days=KEEP_DAYS, hours=1)
    eventually(lambda: lease_rows(front) == 0)
