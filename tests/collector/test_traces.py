"""Traces: what a list says of them, and one of them whole."""

import time

import pytest

pytestmark = pytest.mark.parametrize(
    "clickhouse_url", ["embedded", "server"], indirect=True, scope="module"
)


def trace(event, uuid7, name, spans=3, **last):
    """A trace of one root and its children, 10 ms apart."""
    now = time.time_ns() // 1_000_000 - 1000
    lines = []
    for at in range(spans):
        start = (now + 10 * at) * 1000
        line = event(
            id=uuid7(now + 10 * at),
            trace_id=name,
            span_id=f"{name}-{at}",
            parent_id="" if at == 0 else f"{name}-0",
            name="root" if at == 0 else "child",
            start_time=start,
            end_time=start + 25_000,
            usage={"input": 10, "output": 1},
            input=f"question of {name} {at}",
        )
        lines.append(line)
    lines[-1].update(last)
    return lines


def test_a_trace_adds_up_its_spans(front, event, uuid7):
    lines = trace(event, uuid7, "t1", spans=3, status="error", cost=0.5, model="m2")
    front.send(*reversed(lines))
    (row,) = front.get("/v1/traces")["rows"]
    assert (row["trace_id"], row["name"], row["spans"], row["errors"]) == ("t1", "root", 3, 1)
    assert (row["input_tokens"], row["output_tokens"], row["cost"]) == (30, 3, 0.5)
    assert row["latency_ms"] == 45.0
    assert row["input_preview"] == "question of t1 0"


def test_a_trace_without_prices_has_no_cost(front, event, uuid7):
    front.send(*trace(event, uuid7, "t1"))
    assert front.get("/v1/traces")["rows"][0]["cost"] is None


def test_pages_of_traces_follow_each_other(front, event, uuid7):
    names = [f"t{i}" for i in range(5)]
    for name in names:
        front.send(*trace(event, uuid7, name, spans=2))
    first = front.get("/v1/traces", limit=2)
    second = front.get("/v1/traces", limit=2, cursor=first["next_cursor"])
    last = front.get("/v1/traces", limit=2, cursor=second["next_cursor"])
    seen = [row["trace_id"] for page in (first, second, last) for row in page["rows"]]
    assert sorted(seen) == names
    assert last["next_cursor"] == ""


@pytest.mark.parametrize(
    "query",
    [
        {"environment": "staging"},
        {"model": "m2"},
        {"session_id": "s"},
        {"user_id": "u"},
        {"status": "error"},
    ],
)
def test_a_filter_keeps_traces_with_a_span_that_matches(front, event, uuid7, query):
    front.send(*trace(event, uuid7, "yes", **query), *trace(event, uuid7, "no"))
    assert [row["trace_id"] for row in front.get("/v1/traces", **query)["rows"]] == ["yes"]
    assert front.get("/v1/traces", **query)["rows"][0]["spans"] == 3


def test_the_status_ok_keeps_traces_without_errors(front, event, uuid7):
    front.send(*trace(event, uuid7, "bad", status="error"), *trace(event, uuid7, "good"))
    assert [row["trace_id"] for row in front.get("/v1/traces", status="ok")["rows"]] == ["good"]


def test_the_perplexity_of_a_trace_weighs_its_tokens(front, event, uuid7):
    lines = trace(event, uuid7, "t1", spans=2)
    front.send(*lines)
    two = [{"nll_sum": 0.0, "n_tokens": 9}, {"nll_sum": 10.0, "n_tokens": 1}]
    score = {"project": front.project_id, "name": "response_perplexity", "source": "worker"}
    front.services.clickhouse.insert(
        "scores",
        [
            {**score, "event_id": line["id"], "value": 1.0, "stats": stats, "computed_at": 1}
            for line, stats in zip(lines, two, strict=True)
        ],
    )
    found = front.get("/v1/traces")["rows"][0]["scores"]
    assert found == {"response_perplexity": pytest.approx(2.718281828)}


def test_one_trace_has_its_spans_in_order_with_bodies_and_scores(front, event, uuid7):
    lines = trace(event, uuid7, "a/b c", spans=3)
    score = {"type": "score", "event_id": lines[1]["id"], "name": "thumbs", "value": 1}
    front.send(*reversed(lines), score)
    found = front.get("/v1/traces/a%2Fb%20c")
    assert [span["id"] for span in found["events"]] == [line["id"] for line in lines]
    assert found["events"][0]["input"] == [{"role": "user", "content": "question of a/b c 0"}]
    assert [(s["event_id"], s["name"]) for s in found["scores"]] == [(lines[1]["id"], "thumbs")]
    assert found["more_events"] == 0


@pytest.fixture
def long(front, event, uuid7):
    """The ids of a trace of 403 spans in order, another trace between them; around the end of the
    first page they share a millisecond.
    """
    lines = trace(event, uuid7, "long", spans=403)
    shared = int(lines[200]["id"].replace("-", "")[:12], 16)
    for at in range(198, 203):
        lines[at]["id"] = uuid7(shared)
    front.send(*reversed(lines), *trace(event, uuid7, "other"))
    stored = front.services.clickhouse.query(
        "SELECT id FROM events WHERE project = {project:String} AND trace_id = 'long' "
        "ORDER BY id_time, id",
        project=front.project_id,
    )
    return [str(span_id) for (span_id,) in stored]


def ids(page):
    return [span["id"] for span in page["events"]]


def around(page):
    return page["earlier_events"], page["more_events"]


def test_pages_of_a_long_trace_follow_each_other(front, long):
    first = front.get("/v1/traces/long")
    second = front.get("/v1/traces/long", cursor=first["next_cursor"])
    last = front.get("/v1/traces/long", cursor=second["next_cursor"])
    assert ids(first) + ids(second) + ids(last) == long
    assert [around(page) for page in (first, second, last)] == [(0, 203), (200, 3), (400, 0)]
    assert last["next_cursor"] == ""


def test_pages_of_a_long_trace_lead_back(front, long):
    last = front.get("/v1/traces/long", cursor=long[399])
    second = front.get("/v1/traces/long", cursor=last["previous_cursor"])
    assert (ids(second), around(second)) == (long[200:400], (200, 3))
    assert second["previous_cursor"] == ""  # the first page needs none


@pytest.mark.parametrize("place", [0, 199, 200, 399, 400, 402])
def test_a_span_is_found_on_its_page(front, long, place):
    page = front.get("/v1/traces/long", event=long[place])
    first = place // 200 * 200
    assert (ids(page), around(page)[0]) == (long[first : first + 200], first)
    again = front.get("/v1/traces/long", cursor=long[first - 1]) if first else page
    assert again == page


def test_copies_of_a_span_take_nobodys_place_in_its_trace(front, long):
    (row,) = front.services.clickhouse.rows(
        "SELECT * FROM events WHERE id = {id:UUID} LIMIT 1", id=long[100]
    )
    front.services.clickhouse.insert("events", [{**row, "id": str(row["id"])}] * 3)
    assert ids(front.get("/v1/traces/long")) == long[:200]
    page = front.get("/v1/traces/long", event=long[400])
    assert (ids(page), around(page)) == (long[400:], (400, 0))
    back = front.get("/v1/traces/long", cursor=page["previous_cursor"])
    assert ids(back) == long[200:400]


def test_scores_of_a_later_page_are_those_of_its_spans(front, long):
    lines = [
        {"type": "score", "event_id": long[at], "name": "thumbs", "value": at} for at in (0, 402)
    ]
    front.send(*lines)
    page = front.get("/v1/traces/long", event=long[402])
    assert [(s["event_id"], s["value"]) for s in page["scores"]] == [(long[402], 402.0)]


def test_behind_the_last_span_is_an_empty_page(front, long, uuid7):
    page = front.get("/v1/traces/long", cursor=uuid7(time.time_ns() // 1_000_000 + 86_400_000))
    assert (ids(page), around(page), page["next_cursor"]) == ([], (403, 0), "")
    assert front.get("/v1/traces/nothing", expect=404, cursor=long[0])["code"] == "not_found"


def test_an_unknown_trace_is_not_found(front):
    assert front.get("/v1/traces/nothing", expect=404)["code"] == "not_found"


def test_a_wrong_cursor_is_named(front):
    assert front.get("/v1/traces", expect=422, cursor="%%%")["field"] == "cursor"


@pytest.mark.parametrize("name", ["cursor", "event"])
@pytest.mark.parametrize("text", ["%%%", "ffffffff-ffff-7fff-bfff-ffffffffffff"])
def test_what_is_no_span_is_named(front, event, uuid7, name, text):
    front.send(*trace(event, uuid7, "t1"))
    answer = front.get("/v1/traces/t1", expect=422, **{name: text})
    assert (answer["code"], answer["field"]) == ("invalid_field", name)
