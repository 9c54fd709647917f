"""Quarantine is shown and can be left; a backfill that is begun again repeats nothing."""

import pytest

SPAN = {"start": "2025-01-01T00:00:00Z", "end": "2200-01-01T00:00:00Z"}


def ids_of(lease):
    return [event["id"] for event in lease["events"]]


def poisoned(front, event, worker, reason="boom"):
    """The id of an event that failed three times."""
    line = event(name="answer", model="gpt", input="why?")
    front.send(line)
    for _ in range(3):
        worker.hand_in(worker.lease(), {line["id"]: reason})
    assert worker.try_lease() is None
    return line["id"]


def test_a_quarantined_event_is_listed_with_its_reason_and_its_trace(front, event, worker):
    event_id = poisoned(front, event, worker, "perplexity: ValueError: boom")
    front.send(event())
    worker.score_all()
    (found,) = front.get("/v1/work/quarantine")["events"]
    trace_id = front.get(f"/v1/events/{event_id}")["trace_id"]
    assert (found["event_id"], found["trace_id"]) == (event_id, trace_id)
    assert found["reason"] == "perplexity: ValueError: boom"
    assert (found["name"], found["model"]) == ("answer", "gpt")
    assert found["since"] > found["start_time"]


def test_a_retried_event_is_leased_again_and_leaves_quarantine_when_it_is_scored(
    front, event, worker
):
    event_id = poisoned(front, event, worker)
    assert front.post("/v1/work/quarantine/retry", {"ids": [event_id]}) == {"events": 1}
    assert front.get("/v1/work/quarantine")["events"] == []
    lease = worker.lease()
    assert ids_of(lease) == [event_id]
    worker.hand_in(lease)
    assert front.get("/v1/work/quarantine")["events"] == []
    assert front.get("/v1/overview")["scored"] == 1


def test_a_retried_event_that_fails_again_is_back_after_three_attempts(front, event, worker):
    event_id = poisoned(front, event, worker, "the old reason")
    front.post("/v1/work/quarantine/retry", {"ids": [event_id]})
    for _ in range(3):
        worker.hand_in(worker.lease(), {event_id: "the new reason"})
    assert worker.try_lease() is None
    (found,) = front.get("/v1/work/quarantine")["events"]
    assert found["reason"] == "the new reason"


def test_a_retry_reaches_behind_the_watermark(front, event, worker, clock, eventually):
    event_id = poisoned(front, event, worker)
    clock.advance(hours=1)
    front.send(event())
    worker.score_all()
    front.post("/v1/work/quarantine/retry", {"ids": [event_id]})
    assert ids_of(worker.lease()) == [event_id]


def test_only_what_is_in_quarantine_is_retried(front, event, uuid7, worker):
    line = event()
    front.send(line)
    worker.score_all()
    ids = [line["id"], uuid7(), "no id"]
    assert front.post("/v1/work/quarantine/retry", {"ids": ids}) == {"events": 0}
    assert worker.try_lease() is None


def test_another_projects_quarantine_is_neither_shown_nor_retried(front, event, uuid7, worker):
    event_id = poisoned(front, event, worker)
    other = front.for_project(f"other {uuid7()}")
    assert other.get("/v1/work/quarantine")["events"] == []
    assert other.post("/v1/work/quarantine/retry", {"ids": [event_id]}) == {"events": 0}


@pytest.mark.parametrize("body", [{"ids": []}, {"ids": ["x"] * 501}, {}])
def test_a_retry_names_one_to_500_events(front, body):
    assert front.post("/v1/work/quarantine/retry", body, expect=422)["field"] == "ids"


def test_a_backfill_begun_again_marks_only_what_it_had_not_done(front, event, uuid7, worker, clock):
    """Interrupted after one of three events: calling again with the same `before` marks none."""
    front.send(*(event() for _ in range(3)))
    worker.score_all()
    clock.advance(seconds=1)
    before = clock().isoformat()
    asked = {**SPAN, "before": before}
    assert front.post("/v1/work/rescore", asked) == {"events": 3}
    worker.hand_in(worker.lease(max_events=1))
    assert front.post("/v1/work/rescore", asked) == {"events": 0}
    assert worker.score_all() == 2
    assert front.post("/v1/work/rescore", asked) == {"events": 0}
