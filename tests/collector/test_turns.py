"""Whose events are leased next: fresh ones first, the backlog with its share, projects in turn."""

from collections import Counter

import pytest

from driftline.collector.turns import BACKLOG_EVERY, FRESH_SECONDS

OLD_MS = 1_750_000_000_000


@pytest.fixture
def sent(event, uuid7, clock):
    """Sends `count` events, made now or one second apart from `start_ms` on; returns their ids."""

    def send(front, count, start_ms=None):
        first, step = (start_ms, 1000) if start_ms else (int(clock().timestamp() * 1000), 0)
        ids = [uuid7(first + step * n) for n in range(count)]
        front.send(*(event(id=i, output="o" * (n + 1)) for n, i in enumerate(ids)))
        return ids

    return send


def ids_of(lease):
    return [event["id"] for event in lease["events"]]


def everyone(front, worker):
    """A worker of all projects, who left nothing undone of the tests before."""
    found = type(worker)(type(front)(front.client, front.key, ""))
    found.score_all()
    return found


def test_what_just_arrived_goes_before_an_import_of_old_events(front, sent, worker):
    old = sent(front, 20, OLD_MS)
    fresh = sent(front, 3)
    assert sorted(ids_of(worker.lease(max_events=10))) == sorted(fresh)
    assert ids_of(worker.lease(max_events=10)) == old[:10]


def test_a_rescored_event_waits_behind_a_fresh_one_although_it_is_young(front, sent, worker):
    first = sent(front, 2)
    worker.score_all()
    span = {"start": "2026-01-01T00:00:00Z", "end": "2200-01-01T00:00:00Z"}
    assert front.post("/v1/work/rescore", span) == {"events": 2}
    (fresh,) = sent(front, 1)
    assert ids_of(worker.lease()) == [fresh]
    assert sorted(ids_of(worker.lease())) == sorted(first)


def test_events_that_nobody_scored_in_time_are_backlog_and_do_not_hold_up_newer_ones(
    front, sent, worker, clock
):
    late = sent(front, 2)
    clock.advance(seconds=FRESH_SECONDS + 1)
    (fresh,) = sent(front, 1)
    assert ids_of(worker.lease()) == [fresh]
    assert sorted(ids_of(worker.lease())) == sorted(late)


def test_a_rush_without_end_leaves_the_backlog_its_share(front, sent, worker):
    old = set(sent(front, 9, OLD_MS))
    served = Counter()
    for _ in range(2 * BACKLOG_EVERY):
        sent(front, 2)
        lease = worker.lease(max_events=1)
        worker.hand_in(lease)
        served["backlog" if old & set(ids_of(lease)) else "fresh"] += 1
    assert served == {"backlog": 2, "fresh": 2 * (BACKLOG_EVERY - 1)}


def test_one_projects_backlog_delays_no_other_projects_fresh_events(front, sent, uuid7, worker):
    """The quiet project waits for one lease of the backlog at most."""
    busy = front.for_project(f"import {uuid7()}")
    shared = everyone(front, worker)
    sent(busy, 60, OLD_MS)
    for _ in range(3):
        shared.hand_in(shared.lease(max_events=5))
    fresh = set(sent(front, 15))
    turns = []
    while fresh:
        lease = shared.lease(max_events=5)
        shared.hand_in(lease)
        turns.append(lease["project"] == front.project_id)
        fresh -= set(ids_of(lease))
    assert turns.count(False) <= 1 and turns.count(True) == 3


def test_every_backlog_gets_its_turn_while_another_project_is_in_a_rush(front, sent, uuid7, worker):
    rush = front.for_project(f"rush {uuid7()}")
    shared = everyone(front, worker)
    waiting = {*sent(front, 1, OLD_MS), *sent(rush, 1, OLD_MS)}
    for _ in range(2 * BACKLOG_EVERY):
        sent(rush, 1)
        lease = shared.lease(max_events=1)
        shared.hand_in(lease)
        waiting -= set(ids_of(lease))
    assert not waiting


def test_a_worker_of_all_projects_finds_what_one_of_them_has(front, sent, uuid7, worker):
    """Fresh, imported, rescored: wherever it is, and nothing when there is nothing.

    Which of the two lanes comes first depends on how many leases were given before.
    """
    projects = [front.for_project(f"{n} {uuid7()}") for n in range(4)]
    shared = everyone(front, worker)
    for project in projects:
        sent(project, 1)
    assert shared.score_all() == 4
    (fresh,), (old,) = sent(projects[1], 1), sent(projects[2], 1, OLD_MS)
    assert sorted([ids_of(shared.lease()), ids_of(shared.lease())]) == sorted([[fresh], [old]])
    span = {"start": "2026-01-01T00:00:00Z", "end": "2200-01-01T00:00:00Z"}
    assert projects[3].post("/v1/work/rescore", span) == {"events": 1}
    assert shared.lease()["project"] == projects[3].project_id
    assert shared.try_lease() is None
