"""`GET /v1/events?score=…`: the events whose value of a score, as lists show it, is in a range."""

import random
import time

import pytest

pytestmark = pytest.mark.parametrize(
    "clickhouse_url", ["embedded", "server"], indirect=True, scope="module"
)

EVENTS = 300
MODELS = ("m1", "m2")
SOURCES = ("worker", "worker", "app", "human", "judge")


def pages(front, limit, **query):
    """The rows of all pages; each page but the last is full."""
    found, cursor = [], ""
    while True:
        page = front.get("/v1/events", limit=limit, cursor=cursor, **query)
        found += page["rows"]
        cursor = page["next_cursor"]
        if not cursor:
            return found
        assert len(page["rows"]) == limit


def ids(rows):
    return [row["id"] for row in rows]


def score(event_id, value, name="thumbs", **fields):
    return {"type": "score", "event_id": event_id, "name": name, "value": value, **fields}


@pytest.fixture
def one(front, event):
    """Sends one event with the scores given by name, and returns its id."""

    def send(**scores):
        line = event()
        front.send(line, *(score(line["id"], value, name) for name, value in scores.items()))
        return line["id"]

    return send


# ------------------------------------------------------------------ what it says


def test_events_at_or_above_a_value_are_found(front, one):
    one(hallucination=0.25)
    risky = [one(hallucination=0.5), one(hallucination=0.75)]
    one(other=0.9)
    one()
    found = front.get("/v1/events", score="hallucination", score_min=0.5)["rows"]
    assert ids(found) == risky[::-1]
    assert [row["scores"]["hallucination"] for row in found] == [0.75, 0.5]


def test_both_bounds_are_inside(front, one):
    sent = [one(a=value) for value in (-1.5, 0.0, 0.1, 0.2)]
    assert ids(front.get("/v1/events", score="a", score_max=0.1)["rows"]) == sent[2::-1]
    assert ids(front.get("/v1/events", score="a", score_min=0, score_max=0)["rows"]) == [sent[1]]
    assert ids(front.get("/v1/events", score="a", score_max=-1.5)["rows"]) == [sent[0]]


def test_a_name_alone_finds_what_has_a_value(front, one):
    sent = one(thumbs=1)
    one(thumbs=None)
    assert ids(front.get("/v1/events", score="thumbs")["rows"]) == [sent]
    assert front.get("/v1/events", score="'; DROP TABLE scores --")["rows"] == []
    assert front.get("/v1/events", score="scored", score_min=0)["rows"] == [], "a marker, no score"


def test_a_newer_value_takes_the_place_of_the_old_one(front, one):
    sent = one(thumbs=0.9)
    front.send(score(sent, 0.1))
    assert front.get("/v1/events", score="thumbs", score_min=0.5)["rows"] == []
    assert ids(front.get("/v1/events", score="thumbs", score_max=0.5)["rows"]) == [sent]


def test_a_value_that_was_taken_back_is_shown_and_found_no_more(front, event):
    """A metric that no longer applies: the newer row of the same source and version is empty."""
    sent = event()
    front.send(sent)
    row = {"project": front.project_id, "event_id": sent["id"], "name": "a", "source": "worker"}
    for at, value in enumerate((0.9, None), 1):
        front.services.clickhouse.insert("scores", [row | {"value": value, "computed_at": at}])
    assert front.get("/v1/events")["rows"][0]["scores"] == {}
    assert front.get("/v1/events", score="a")["rows"] == []


def test_of_an_apps_and_a_persons_value_of_one_moment_the_shown_one_counts(front, event):
    sent = event()
    line = sent["id"]
    front.send(sent, score(line, 0.1, source="app"), score(line, 0.9, source="human"))
    shown = front.get("/v1/events")["rows"][0]["scores"]["thumbs"]
    exactly = {"score": "thumbs", "score_min": shown, "score_max": shown}
    assert ids(front.get("/v1/events", **exactly)["rows"]) == [line]
    assert front.get("/v1/events", **exactly | {"score_min": 0.2, "score_max": 0.8})["rows"] == []


def test_another_projects_scores_count_for_nothing(front, event, uuid7):
    sent = event()
    front.send(sent)
    other = front.for_project(f"other {uuid7()}")
    other.send(sent, score(sent["id"], 1))
    assert front.get("/v1/events", score="thumbs")["rows"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"score_min": 0.5}, "score"),
        ({"score_max": 0.5}, "score"),
        ({"score": "a", "score_min": "nan"}, "score_min"),
        ({"score": "a", "score_max": "inf"}, "score_max"),
        ({"score": "a", "score_min": "-Infinity"}, "score_min"),
        ({"score": "a", "score_min": "high"}, "score_min"),
        ({"score": "a", "score_min": 2, "score_max": 1}, "score_min"),
    ],
)
def test_a_wrong_bound_is_named_with_the_reason(front, query, field):
    answer = front.get("/v1/events", expect=422, **query)
    assert (answer["code"], answer["field"]) == ("invalid_field", field)
    assert field in answer["message"]


# ------------------------------------------------------------------ any events, any scores


def shown(rows):
    """The value that a list shows, of the rows of one event and name: a worker's, the latest.

    Of one source and version the newest row stands, and takes a value away when it has none.
    """
    standing = {}
    for row in sorted(rows, key=lambda r: r["computed_at"]):
        standing[row["source"], row["metric_version"]] = row
    valued = [row for row in standing.values() if row["value"] is not None]
    latest = max(valued, key=lambda r: (r["source"] == "worker", r["computed_at"]), default=None)
    return None if latest is None else latest["value"]


def random_events(rng, event, uuid7):
    """Events of the last two days, oldest first; some share a millisecond."""
    now = time.time_ns() // 1_000_000 - 1000
    times = sorted(now - rng.randrange(172_000_000) for _ in range(EVENTS))
    times[10:14] = [times[10]] * 4
    return [event(id=uuid7(at), model=rng.choice(MODELS)) for at in times]


def random_scores(rng, project, events):
    """Rows of several names, sources, versions and moments, copies among them."""
    rows = []
    for line in events:
        for _ in range(rng.randrange(7)):
            source = rng.choice(SOURCES)
            value = rng.choice([None, 0.0, 0.25, 0.5, rng.random(), rng.gauss(0, 10)])
            version = rng.choice("123") if source == "worker" else ""
            row = {
                "project": project,
                "event_id": line["id"],
                "name": rng.choice(["a", "a", "b"]),
                "value": value,
                "source": source,
                "metric_version": version,
                "computed_at": len(rows) + 1,
            }
            rows += [row] * rng.choice([1, 1, 1, 3])
    return rows


@pytest.mark.parametrize("seed", range(2))
def test_the_filter_finds_what_a_plain_search_finds(front, event, uuid7, seed):
    rng = random.Random(seed)
    events = random_events(rng, event, uuid7)
    scores = random_scores(rng, front.project_id, events)
    rng.shuffle(scores)
    front.send(*events)
    for part in range(3):
        front.services.clickhouse.insert("scores", scores[part::3])
    of = {line["id"]: [] for line in events}
    for row in scores:
        if row["name"] == "a":
            of[row["event_id"]].append(row)
    values = {event_id: shown(rows) for event_id, rows in of.items()}
    window = {"start": "2020-01-01T00:00:00Z"}
    stored = ids(pages(front, 1000, order="oldest", **window))
    model = {line["id"]: line["model"] for line in events}
    for low, high, wanted in [
        (0.5, None, ""),
        (None, 0.0, "m1"),
        (0.25, 0.5, ""),
        (9.0, 11.0, "m2"),
        (None, None, "m1"),
        (1e9, None, ""),
    ]:
        bounds = {"score_min": low, "score_max": high}
        query = {name: bound for name, bound in bounds.items() if bound is not None}
        query |= {"model": wanted} if wanted else {}
        expected = [
            event_id
            for event_id in stored
            if (value := values[event_id]) is not None
            and (low is None or value >= low)
            and (high is None or value <= high)
            and wanted in ("", model[event_id])
        ]
        for order, found in (("oldest", expected), ("newest", expected[::-1])):
            limit = 2 if len(expected) < 30 else 9
            rows = pages(front, limit, order=order, score="a", **query, **window)
            assert ids(rows) == found, (low, high, wanted, order)
            assert all(row["scores"]["a"] == values[row["id"]] for row in rows)
