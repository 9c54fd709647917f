"""Notifications: written with their transition, retried by the schedule, known by one id."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from driftline.collector import outbox
from driftline.collector.outbox import Answer
from driftline.collector.tables import DeliveryRow, ProjectRow, WebhookRow

NOW = datetime(2020, 1, 1, tzinfo=UTC)
HOUR = 3600.0
# Standard Webhooks 1.0.0, "Delivery": the recommended schedule.
SCHEDULE = [5, 300, 1800, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]


def middle(low, high):
    return (low + high) / 2


def test_attempts_follow_the_standards_schedule_and_then_end():
    waits = [outbox.next_wait(n, uniform=middle) for n in range(1, len(SCHEDULE) + 2)]
    assert waits == [*SCHEDULE, None]


@given(st.integers(1, 9), st.floats(0, 1e9))
def test_a_wait_is_near_the_schedule_honours_retry_after_and_never_exceeds_a_day(attempts, asked):
    wait = outbox.next_wait(attempts, asked)
    planned = SCHEDULE[attempts - 1]
    assert 0.9 * planned <= wait
    assert min(asked, 24 * HOUR) <= wait <= max(1.1 * planned, 24 * HOUR)


class Box:
    """The outbox of one project with one endpoint that can never be reached."""

    def __init__(self, front):
        self.parts = front.services
        self.webhook = front.post("/v1/webhooks", {"url": "https://hooks.invalid/x"})["id"]
        with self.parts.control.reading() as session:
            query = select(ProjectRow).where(ProjectRow.name == front.project)
            self.project = session.scalars(query).one()

    def put(self, kind="incident.opened", fail=False):
        """Enqueue one notification that is due only on the test's own calendar."""
        with self.parts.control.session() as session:
            outbox.enqueue(self.parts, session, self.project, kind, {"id": "x"}, "inc_x")
            session.flush()
            for row in self.rows(session):
                row.next_attempt_at = NOW + timedelta(days=36500)
            if fail:
                raise ZeroDivisionError

    def rows(self, session):
        query = select(DeliveryRow).where(DeliveryRow.project_id == self.project.id)
        return list(session.scalars(query.order_by(DeliveryRow.created_at)))

    def row(self):
        with self.parts.control.reading() as session:
            (row,) = self.rows(session)
            return row

    def note(self, answer, at=NOW):
        with self.parts.control.session() as session:
            (row,) = self.rows(session)
            outbox.note(session, row.id, answer, at)
            row.next_attempt_at += timedelta(days=36500)  # out of the real sender's sight
        return self.row()

    def wait(self):
        return (self.row().next_attempt_at - NOW - timedelta(days=36500)).total_seconds()


@pytest.fixture
def box(front):
    return Box(front)


def test_a_rolled_back_transition_tells_nobody(box):
    with pytest.raises(ZeroDivisionError):
        box.put(fail=True)
    with box.parts.control.reading() as session:
        assert box.rows(session) == []


@pytest.mark.parametrize(
    ("wanted", "told"),
    [(["*"], True), (["incident.opened"], True), (["job.finished"], False)],
)
def test_an_endpoint_hears_what_it_asked_for(front, box, wanted, told):
    with box.parts.control.session() as session:
        session.get(WebhookRow, box.webhook).events = wanted
    box.put("incident.opened")
    with box.parts.control.reading() as session:
        assert len(box.rows(session)) == int(told)


def test_a_failed_attempt_is_written_down_and_comes_again_under_the_same_id(box):
    box.put()
    first = box.row().id
    row = box.note(Answer(500, "HTTP 500"))
    assert (row.id, row.state, row.attempts) == (first, "pending", 1)
    assert (row.last_status, row.last_error) == (500, "HTTP 500")
    assert 4.5 <= box.wait() <= 5.5


def test_retry_after_puts_the_next_attempt_off_but_no_longer_than_a_day(box):
    box.put()
    box.note(Answer(503, "HTTP 503", retry_after_seconds=120))
    assert box.wait() == 120
    box.note(Answer(503, "HTTP 503", retry_after_seconds=10**9))
    assert box.wait() == 24 * HOUR


def test_a_delivered_notification_is_never_sent_again(box):
    box.put()
    row = box.note(Answer(204, ""))
    assert (row.state, row.delivered_at, row.attempts) == ("delivered", NOW, 1)
    assert box.note(Answer(500, "HTTP 500")).state == "delivered"


def test_after_the_last_attempt_it_is_dead(box):
    box.put()
    for _ in range(len(SCHEDULE)):
        assert box.note(Answer(None, "ConnectError: refused")).state == "pending"
    row = box.note(Answer(None, "ConnectError: refused"))
    assert (row.state, row.attempts) == ("dead", 10)


def test_410_disables_the_endpoint(front, box):
    box.put()
    assert box.note(Answer(410, "HTTP 410", final=True)).state == "dead"
    assert front.get("/v1/webhooks")["webhooks"][0]["enabled"] is False
    box.put()
    with box.parts.control.reading() as session:
        assert len(box.rows(session)) == 1


def test_what_is_due_is_claimed_by_one_sender_only_and_again_when_that_one_dies(box, clock):
    box.put()
    mine = box.row().id
    later = NOW + timedelta(days=36501)

    def claim(at):
        with box.parts.control.session() as session:
            return [sending.id for sending in outbox.claim_due(session, at)]

    with ThreadPoolExecutor(4) as pool:
        claimed = [i for ids in pool.map(lambda _: claim(later), range(4)) for i in ids]
    assert claimed.count(mine) == 1
    assert mine not in claim(later + timedelta(seconds=outbox.CLAIM_SECONDS - 1))
    assert mine in claim(later + timedelta(seconds=outbox.CLAIM_SECONDS))
