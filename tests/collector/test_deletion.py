"""A person asks to be forgotten: nothing of theirs is left, here, on the disk, or after a retry."""

from __future__ import annotations

import secrets
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

DAY_MS = 86_400_000
START = (datetime.now(UTC) - timedelta(60)).isoformat()


@pytest.fixture
def user():
    return f"user/{secrets.token_hex(12)}@example.com"


@pytest.fixture
def delete(front):
    def delete(user, expect=200):
        path = user.replace("/", "%2F")
        answer = front.client.delete(f"/v1/users/{path}", headers=front.headers)
        assert answer.status_code == expect, answer.text
        return answer.json()

    return delete


@pytest.fixture
def ago(event, uuid7):
    def ago(days, **fields):
        at = int(datetime.now(UTC).timestamp() * 1000) - int(days * DAY_MS) - 1000
        return event(id=uuid7(at), start_time=at * 1000, **fields)

    return ago


def listed(front, **filters):
    return front.get("/v1/events", start=START, limit=1000, **filters)["rows"]


def rows_of(front, table):
    ((count,),) = front.services.clickhouse.query(
        f"SELECT count() FROM {table} WHERE project = {{project:String}}", project=front.project_id
    )
    return count


def on_disk(text, *directories):
    """The files that hold the text. ClickHouse keeps unique short strings as they are (LZ4)."""
    command = ["grep", "-rlaF", text, *map(str, directories)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode in (0, 1), found.stderr
    return found.stdout.split()


def test_everything_of_the_user_goes_and_the_rest_stays(front, worker, ago, delete, user):
    theirs = [ago(days, user_id=user, output="a " * 9, model="theirs") for days in (0, 0, 20, 40)]
    others = [ago(days, user_id="other", output="b " * 9) for days in (0, 20, 21)]
    front.send(*theirs, *others)
    worker.score_all()
    front.send({"type": "score", "event_id": theirs[0]["id"], "name": "thumbs", "value": 1})
    assert front.get("/v1/overview", start=START)["events"] == 7
    scores, vectors = rows_of(front, "scores"), rows_of(front, "embeddings")
    done = delete(user)
    assert (done["events"], done["embeddings"], done["erased"]) == (4, 8, True)
    assert done["scores"] == scores - rows_of(front, "scores") == 4 * 2 + 1
    assert rows_of(front, "embeddings") == vectors - 8 == 6
    assert {row["id"] for row in listed(front)} == {line["id"] for line in others}
    overview = front.get("/v1/overview", start=START, buckets=100)
    assert overview["events"] == 3 == sum(bucket["events"] for bucket in overview["series"])
    front.get(f"/v1/events/{theirs[0]['id']}", expect=404)


def test_the_text_is_not_on_the_disk_any_more(front, ago, delete, user, clickhouse_url, settings):
    secret = secrets.token_hex(16)
    places = (clickhouse_url.removeprefix("chdb://"), settings.home)
    front.send(ago(1, user_id=user, name=secret, output=secret), ago(1, user_id="other"))
    assert on_disk(secret, *places) and on_disk(user, *places)
    assert delete(user)["erased"]
    assert on_disk(secret, *places) == []
    assert on_disk(user, *places) == []


def test_events_of_the_same_trace_that_name_nobody_go_too(front, ago, delete, user):
    root = ago(1, user_id=user, trace_id="t1", kind="agent")
    children = [ago(1, trace_id="t1", kind=kind) for kind in ("llm", "tool")]
    shared = ago(1, trace_id="t1", user_id="somebody else")
    front.send(root, *children, shared, ago(1, trace_id="t2"))
    assert delete(user)["events"] == 3
    assert len(listed(front)) == 2


def test_a_late_retry_does_not_bring_them_back(front, ago, delete, user):
    sent = ago(1, user_id=user, trace_id="t9")
    front.send(sent)
    delete(user)
    late = [
        sent,
        ago(2, user_id=user),
        ago(1, trace_id="t9"),
        {"type": "score", "event_id": sent["id"], "name": "thumbs", "value": 1},
    ]
    answer = front.send(*late, expect=422)
    assert [problem["reason"] for problem in answer["rejected"]] == ["deleted_user"] * 4
    assert listed(front) == []
    assert front.get("/v1/overview")["dropped_total"] == {"deleted_user": 4}


def test_what_they_do_after_it_is_new(front, event, delete, user):
    delete(user)
    assert front.send(event(user_id=user))["accepted"] == 1
    assert delete(user)["events"] == 1


def test_asking_again_finds_nothing_and_is_noted_without_the_name(front, ago, delete, user):
    front.send(ago(1, user_id=user))
    assert delete(user)["events"] == 1
    assert delete(user)["events"] == 0
    audit = front.get("/v1/deletions")["deletions"]
    assert [row["events"] for row in audit] == [0, 1]
    assert user not in str(audit) and all(row["finished_at"] for row in audit)


def test_another_projects_user_of_that_name_is_somebody_else(front, ago, delete, user):
    other = front.for_project(f"{front.project} too")
    other.send(ago(1, user_id=user))
    front.send(ago(1, user_id=user))
    assert delete(user)["events"] == 1
    assert len(listed(other)) == 1
    assert other.send(ago(1, user_id=user))["accepted"] == 1


def test_nobody_is_not_everybody(front, ago, delete):
    front.send(ago(1))
    answer = front.client.delete("/v1/users/", headers=front.headers)
    assert answer.status_code in (404, 405, 422)
    assert len(listed(front)) == 1


def test_a_worker_that_is_scoring_them_is_told_to_stop(front, worker, ago, delete, user):
    front.send(ago(1, user_id=user, output="x"), ago(1, output="y"))
    lease = worker.lease(max_events=10)
    assert len(lease["events"]) == 2
    delete(user)
    worker.hand_in(lease, expect=409)
    assert worker.score_all() == 1
    assert rows_of(front, "embeddings") == 2


def test_the_reference_of_drift_forgets_them(front, worker, ago, delete, user):
    front.send(*(ago(1, user_id=user if n < 5 else "b", output=f"w {n}") for n in range(60)))
    worker.score_all()
    span = {
        "start": (datetime.now(UTC) - timedelta(2)).isoformat(),
        "end": datetime.now(UTC).isoformat(),
    }
    pinned = front.post("/v1/drift/reference", {**span, "name": "all"})
    assert pinned["reference_count"] == 60
    delete(user)
    assert front.get("/v1/drift/status")["reference_count"] == 55


def test_only_an_admin_may(front, user):
    made = front.post("/v1/keys", {"scope": "work", "name": "", "project": front.project})
    headers = {"Authorization": f"Bearer {made['secret']}"}
    assert front.client.delete(f"/v1/users/{user}", headers=headers).status_code == 403


def test_a_deletion_that_was_cut_short_is_completed_by_the_next(front, ago, delete, user):
    """The events went, the charts did not hear of it: as after kill -9 between the two."""
    front.send(ago(1, user_id=user, model="theirs"), ago(1, model="mine"))
    assert front.get("/v1/overview", start=START)["events"] == 2
    front.services.rollup.flush()
    clickhouse = front.services.clickhouse
    clickhouse.command(
        "DELETE FROM events WHERE project = {project:String} AND user_id = {user:String}",
        project=front.project_id,
        user=user,
    )
    from driftline.collector.tables import DeletionRow
    from driftline.collector.tombstones import digest

    week = datetime.now(UTC).date() - timedelta(datetime.now(UTC).weekday())
    with front.services.control.session() as session:
        session.add(
            DeletionRow(
                id="del_cut",
                project_id=front.project_id,
                digest=digest(front.project_id, "user", user),
                key_id="admin",
                asked_at=datetime.now(UTC),
                finished_at=None,
                weeks=[str(week - timedelta(7)), str(week)],
                events=1,
                scores=0,
                embeddings=0,
            )
        )
    assert delete(user)["id"] == "del_cut"
    assert front.get("/v1/overview", start=START)["events"] == 1


def test_a_late_span_does_not_bring_them_back(front, delete, user):
    now = int(datetime.now(UTC).timestamp() * 1e9) - 10**9
    span = {
        "traceId": secrets.token_hex(16),
        "spanId": secrets.token_hex(8),
        "name": "chat",
        "startTimeUnixNano": str(now),
        "endTimeUnixNano": str(now + 10**6),
        "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "user.id", "value": {"stringValue": user}},
        ],
    }
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    assert front.post("/v1/traces", body) in ({}, {"partialSuccess": {}})
    assert delete(user)["events"] == 1
    refused = front.post("/v1/traces", body)["partialSuccess"]
    assert int(refused["rejectedSpans"]) == 1
    assert listed(front) == []
