"""The workers that report, as the pages see them."""

import pytest

REPORT = {
    "name": "gpu-1",
    "device": "cuda:0",
    "state": "working",
    "started_at": "2026-11-21T10:00:00.000000Z",
    "lag_seconds": 1.5,
    "tokens_per_second": 9000.0,
    "events_per_second": 12.0,
    "busy_share": 0.75,
    "events_scored": 100,
    "events_failed": 2,
    "events_reused": 3,
    "cost_per_1000_events": 0.04,
    "left_out": ["entry point 'a' of spice-metrics: no module"],
}


def reported(front, **fields):
    front.post("/v1/workers", {**REPORT, **fields}, expect=204)


def workers(front):
    return {w["report"]["name"]: w for w in front.get("/v1/workers")["workers"]}


def test_a_report_is_shown_as_it_was_said(front):
    reported(front)
    assert workers(front)["gpu-1"]["report"] == REPORT
    assert not workers(front)["gpu-1"]["silent"]


def test_the_newest_report_of_a_worker_counts(front):
    reported(front)
    reported(front, events_scored=250, cost_per_1000_events=None)
    found = workers(front)["gpu-1"]["report"]
    assert (found["events_scored"], found["cost_per_1000_events"]) == (250, None)


def test_a_worker_that_says_nothing_is_silent_and_after_a_day_forgotten(front, clock):
    reported(front)
    reported(front, name="gone home", state="stopped")
    clock.advance(seconds=61)
    assert workers(front)["gpu-1"]["silent"]
    assert not workers(front)["gone home"]["silent"]
    clock.advance(days=1)
    assert workers(front) == {}


def test_a_projects_worker_is_shown_to_that_project_only(front, uuid7):
    reported(front, name="mine")
    other = front.for_project(f"other {uuid7()}")
    everyone = type(front)(front.client, front.key, "")
    reported(everyone, name="everyone's")
    assert {"mine", "everyone's"} <= set(workers(front))
    assert "mine" not in workers(other) and "everyone's" in workers(other)


@pytest.mark.parametrize(
    ("field", "value"),
    [("busy_share", 1.5), ("lag_seconds", -1), ("started_at", "now"), ("name", ""), ("state", "?")],
)
def test_a_report_that_makes_no_sense_is_refused(front, field, value):
    assert front.post("/v1/workers", REPORT | {field: value}, expect=422)["field"] == field
