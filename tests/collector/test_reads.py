"""Reading events back: pages, filters, bodies, scores."""

import time

import pytest

MINUTE_MS = 60_000

pytestmark = pytest.mark.parametrize(
    "clickhouse_url", ["embedded", "server"], indirect=True, scope="module"
)


def spread(event, uuid7, count, **fields):
    """`count` events, one second apart, the newest last."""
    now = time.time_ns() // 1_000_000
    ids = [uuid7(now - 1000 * (count - i)) for i in range(count)]
    return [event(id=i, output=f"answer {n}", **fields) for n, i in enumerate(ids)]


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_pages_follow_each_other_without_a_gap_or_a_repeat(front, event, uuid7, order):
    sent = spread(event, uuid7, 7)
    front.send(*sent)
    seen, cursor = [], ""
    while page := front.get("/v1/events", limit=3, cursor=cursor, order=order):
        seen += [row["id"] for row in page["rows"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    expected = [line["id"] for line in sent]
    assert seen == (expected if order == "oldest" else expected[::-1])


def test_events_of_the_same_millisecond_are_paged_too(front, event, uuid7):
    now = time.time_ns() // 1_000_000
    sent = [event(id=uuid7(now)) for _ in range(5)]
    front.send(*sent)
    first = front.get("/v1/events", limit=2)
    rest = front.get("/v1/events", limit=10, cursor=first["next_cursor"])
    rows = first["rows"] + rest["rows"]
    assert sorted(row["id"] for row in rows) == sorted(line["id"] for line in sent)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", "tool"),
        ("model", "m'); DROP TABLE events --"),
        ("environment", "staging"),
        ("status", "error"),
        ("session_id", "s 1"),
        ("user_id", "ü"),
    ],
)
def test_a_filter_finds_what_is_equal_and_nothing_else(front, event, name, value):
    wanted = event(**{name: value})
    front.send(wanted, event())
    rows = front.get("/v1/events", **{name: value})["rows"]
    assert [row["id"] for row in rows] == [wanted["id"]]


def test_a_list_row_previews_the_question_and_shows_the_latest_scores(front, event):
    messages = [{"role": "system", "content": "rules"}, {"role": "user", "content": "q" * 300}]
    sent = event(input=messages, output="a" * 300, usage={"input": 5, "output": 7})
    score = {"type": "score", "event_id": sent["id"], "name": "thumbs"}
    front.send(sent, {**score, "value": 0.25})
    front.send({**score, "value": 0.75})
    (row,) = front.get("/v1/events")["rows"]
    assert (row["input_preview"], row["output_preview"]) == ("q" * 200, "a" * 200)
    assert (row["input_tokens"], row["output_tokens"]) == (5, 7)
    assert row["scores"] == {"thumbs": 0.75}


def test_a_window_holds_its_start_but_not_its_end(front, event, uuid7):
    at = 1_750_000_000_000
    front.send(event(id=uuid7(at)), event(id=uuid7(at + MINUTE_MS)))
    rows = front.get("/v1/events", start="2025-06-15T15:06:40Z", end="2025-06-15T15:07:40Z")["rows"]
    assert len(rows) == 1


def test_a_project_does_not_see_another_projects_events(front, event, uuid7):
    sent = event()
    front.send(sent)
    other = front.for_project(f"other {uuid7()}")
    assert other.get("/v1/events")["rows"] == []
    assert other.get(f"/v1/events/{sent['id']}", expect=404)["code"] == "not_found"
    assert other.post("/v1/events/bodies", {"ids": [sent["id"]]})["events"] == []


def test_bodies_come_in_the_order_asked_and_unknown_ids_are_left_out(front, event, uuid7):
    sent = spread(event, uuid7, 3)
    front.send(*sent)
    ids = [sent[2]["id"], uuid7(), "nonsense", sent[0]["id"]]
    found = front.post("/v1/events/bodies", {"ids": ids})["events"]
    assert [e["id"] for e in found] == [ids[0], ids[3]]
    assert found[0]["output"] == "answer 2"


def test_more_than_500_bodies_are_refused(front, uuid7):
    answer = front.post("/v1/events/bodies", {"ids": [uuid7()] * 501}, expect=422)
    assert (answer["code"], answer["field"]) == ("invalid_field", "ids")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 1001}, "limit"),
        ({"limit": 0}, "limit"),
        ({"start": "yesterday"}, "start"),
        ({"end": "0001-01-01T00:00:00+23:59"}, "end"),
        ({"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}, "start"),
        ({"cursor": "' OR 1=1 --"}, "cursor"),
        ({"cursor": "ffffffff-ffff-7fff-bfff-ffffffffffff"}, "cursor"),
        ({"order": "random"}, "order"),
    ],
)
def test_a_wrong_parameter_is_named(front, query, field):
    answer = front.get("/v1/events", expect=422, **query)
    assert (answer["code"], answer["field"]) == ("invalid_field", field)


def test_years_far_away_are_an_empty_answer(front, event):
    front.send(event())
    assert front.get("/v1/events", start="0001-01-01T00:00:00Z", end="1999-01-01T00:00:00Z")
    assert len(front.get("/v1/events", end="9999-12-31T00:00:00Z", start="2020-01-01")["rows"]) == 1


def test_an_unknown_event_is_not_found(front, uuid7):
    for name in (uuid7(), "nonsense", "%00"):
        assert front.get(f"/v1/events/{name}", expect=404)["code"] == "not_found"
    assert front.get(f"/v1/events/{uuid7()}/scores")["scores"] == []


def test_scores_of_several_events_are_those_of_each(front, event):
    ids = []
    for value in (0.25, 0.75):
        line = event()
        ids.append(line["id"])
        front.send(line, {"type": "score", "event_id": line["id"], "name": "thumb", "value": value})
    found = front.post("/v1/events/scores", {"ids": [*ids, "nothing"]})["scores"]
    alone = [
        score for event_id in ids for score in front.get(f"/v1/events/{event_id}/scores")["scores"]
    ]
    assert sorted(found, key=lambda s: s["event_id"]) == sorted(alone, key=lambda s: s["event_id"])
    assert len(found) == 2
    assert front.post("/v1/events/scores", {"ids": []})["scores"] == []


def test_a_page_of_copies_is_read_on(front, event, uuid7):
    """Copies wait for a merge: more of one event than a page reads at once take nobody's place."""
    lines = spread(event, uuid7, 4)
    front.send(*lines)
    (row,) = front.services.clickhouse.rows(
        "SELECT * FROM events WHERE id = {id:UUID}", id=lines[2]["id"]
    )
    copy = {**row, "id": str(row["id"])}
    front.services.clickhouse.insert("events", [copy] * 40)
    for order, wanted in (("newest", [3, 2, 1]), ("oldest", [0, 1, 2])):
        page = front.get("/v1/events", limit=3, order=order)
        assert [r["id"] for r in page["rows"]] == [lines[at]["id"] for at in wanted]
    rest = front.get("/v1/events", limit=3, cursor=page["next_cursor"], order="oldest")
    assert [r["id"] for r in rest["rows"]] == [lines[3]["id"]]
