"""The hallucination rate through the front door: estimate, interval, method, what to label."""

import pytest

START = 1_750_000_020_000  # 2025-06-15T15:07:00Z
WINDOW = {"start": "2025-06-15T15:00:00Z", "end": "2025-06-15T16:00:00Z"}
RATE = "/v1/hallucination/rate"

pytestmark = pytest.mark.parametrize(
    "clickhouse_url", ["embedded", "server"], indirect=True, scope="module"
)


@pytest.fixture
def answers(front, event, uuid7):
    """Answers with the given probabilities, as a worker scored them; returns their ids."""

    def make(values, weight=1.0, version="1", at=1):
        lines = [event(id=uuid7(START + n), sample_weight=weight) for n in range(len(values))]
        front.send(*lines)
        said(front, [line["id"] for line in lines], values, weight, version, at)
        return [line["id"] for line in lines]

    return make


def said(front, ids, values, weight=1.0, version="1", at=1):
    common = {"project": front.project_id, "name": "hallucination", "source": "worker"}
    common |= {"sample_weight": weight, "metric_version": version, "computed_at": at}
    rows = [{**common, "event_id": i, "value": v} for i, v in zip(ids, values, strict=True)]
    front.services.clickhouse.insert("scores", rows)


def label(front, ids, values):
    score = {"type": "score", "name": "hallucination", "source": "human"}
    front.send(*({**score, "event_id": i, "value": v} for i, v in zip(ids, values, strict=True)))


def test_nothing_to_judge_is_no_number(front):
    found = front.get(RATE, **WINDOW)
    assert (found["estimate"], found["low"], found["high"], found["n"]) == (None, None, None, 0)
    assert found["method"] == "not enough data" and "context" in found["note"]


def test_without_labels_it_is_the_mean_probability_and_says_what_that_rests_on(front, answers):
    answers([0.2, 0.4] * 50)
    found = front.get(RATE, **WINDOW)
    assert found["estimate"] == pytest.approx(0.3)
    assert found["low"] < 0.3 < found["high"]
    assert (found["n"], found["n_labelled"]) == (100, 0)
    assert found["method"] == "calibrated probabilities" and "calibrated" in found["note"]


def test_labels_correct_a_detector_that_says_too_much(front, answers):
    ids = answers([0.8, 0.4] * 100)
    label(front, ids[:40], [1, 0, 0, 0] * 10)
    found = front.get(RATE, **WINDOW)
    assert found["method"] == "prediction-powered" and "random" in found["note"]
    assert (found["n"], found["n_labelled"]) == (200, 40)
    assert found["estimate"] == pytest.approx(0.25, abs=0.01)
    assert found["low"] < 0.25 < found["high"] < 0.6


def test_a_few_labels_do_not_change_the_method(front, answers):
    ids = answers([0.5] * 60)
    label(front, ids[:5], [1] * 5)
    found = front.get(RATE, **WINDOW)
    assert (found["method"], found["n_labelled"]) == ("calibrated probabilities", 5)
    assert found["note"].startswith("5 of the 20 labels")


def test_labels_of_the_suspicious_ones_only_are_said_to_be_so(front, answers):
    ids = answers([0.9] * 30 + [0.1] * 100)
    label(front, ids[:30], [1, 0] * 15)
    assert "riskier than the rest" in front.get(RATE, **WINDOW)["note"]


def test_what_sampling_kept_counts_for_what_it_stands_for(front, answers):
    answers([0.0] * 30)
    answers([1.0] * 10, weight=9.0)
    assert front.get(RATE, **WINDOW)["estimate"] == pytest.approx(90 / 120)


def test_the_newest_version_and_value_of_an_answer_count(front, answers):
    ids = answers([0.9] * 30)
    said(front, ids[:20], [0.1] * 20, version="2", at=2)
    said(front, ids[:5], [None] * 5, version="2", at=3)
    found = front.get(RATE, **WINDOW)
    assert (found["n"], found["estimate"]) == (15, pytest.approx(0.1))


def test_of_the_versions_the_announced_one_counts(front, answers):
    ids = answers([0.9] * 30)
    said(front, ids, [0.1] * 30, version="2", at=2)
    card = dict.fromkeys(
        ["title", "group", "package", "formula", "source", "needs", "unit", "lies", "cost"], "x"
    )
    card |= {"name": "hallucination", "version": "1", "low": 0, "high": 1, "default": True}
    body = {"metrics": [card]}
    assert front.client.put("/v1/metrics", json=body, headers=front.headers).status_code == 204
    assert front.get(RATE, **WINDOW)["estimate"] == pytest.approx(0.9)


def test_a_label_can_be_changed_and_its_maybe_is_none(front, answers):
    ids = answers([0.5] * 30)
    label(front, ids[:25], [1] * 25)
    label(front, ids[:25], [0] * 25)
    assert front.get(RATE, **WINDOW)["estimate"] == 0
    label(front, ids[:1], [0.5])
    assert front.get(RATE, **WINDOW)["n_labelled"] == 24


def test_a_label_is_in_no_chart_of_the_probability(front, answers):
    ids = answers([0.25] * 4)
    label(front, ids[:2], [1, 1])
    points = front.get("/v1/scores/series", name="hallucination", **WINDOW)["points"]
    assert [p["value"] for p in points if p["n"]] == [0.25]
    rows = front.get("/v1/events", **WINDOW)["rows"]
    assert {row["scores"]["hallucination"] for row in rows} == {0.25}


def test_what_to_label_is_the_unlabelled_in_a_fixed_order(front, answers):
    ids = answers([0.5] * 30)
    path = "/v1/hallucination/unlabelled"
    first = front.get(path, limit=10, **WINDOW)["ids"]
    assert len(first) == 10 and set(first) < set(ids) and first != ids[:10]
    label(front, first[:4], [0, 1, 0, 1])
    assert front.get(path, limit=6, **WINDOW)["ids"] == first[4:]


def test_a_window_that_ends_before_it_starts_is_refused(front):
    found = front.get(RATE, expect=422, start=WINDOW["end"], end=WINDOW["start"])
    assert found["field"] == "start"
