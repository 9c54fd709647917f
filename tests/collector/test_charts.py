"""Charts: the overview and the scores over time."""

import math
import threading

import pytest

START = 1_750_000_020_000  # 2025-06-15T15:07:00Z
WINDOW = {"start": "2025-06-15T15:00:00Z", "end": "2025-06-15T16:00:00Z"}
MINUTE = 60_000
# After an @ the name of a further reference model.
PERPLEXITIES = {"response_perplexity", "whole_perplexity", "response_perplexity@pythia-14m"}
BITS_PER_BYTE = {"response_bits_per_byte", "whole_bits_per_byte@pythia-14m"}

pytestmark = pytest.mark.parametrize(
    "clickhouse_url", ["embedded", "server"], indirect=True, scope="module"
)


def worker_score(front, event_id, name, value, stats=None, weight=1.0, at=1):
    clickhouse = front.services.clickhouse
    row = {"project": front.project_id, "event_id": event_id, "name": name, "value": value}
    more = {"stats": stats or {}, "sample_weight": weight, "source": "worker", "computed_at": at}
    label = "ok" if name == "scored" else ""
    clickhouse.insert("scores", [{**row, **more, "label": label, "metric_version": "1"}])


def test_the_overview_adds_up_the_window(front, event, uuid7):
    lines = [
        event(
            id=uuid7(START + i * MINUTE),
            start_time=(START + i * MINUTE) * 1000,
            end_time=(START + i * MINUTE) * 1000 + 100_000,
            usage={"input": 10, "output": 2},
            cost=0.5,
            status="error" if i == 0 else "ok",
        )
        for i in range(4)
    ]
    front.send(*lines, event(id=uuid7(START + 600 * MINUTE)))
    found = front.get("/v1/overview", **WINDOW)
    assert (found["events"], found["errors"], found["cost"]) == (4, 1, 2.0)
    assert (found["input_tokens"], found["output_tokens"]) == (40, 8)
    assert (found["latency_p50_ms"], found["latency_p95_ms"]) == (100.0, 100.0)
    assert (found["scored"], found["failed_scoring"], found["pending"]) == (0, 0, 4)
    assert (found["open_incidents"], found["accepted_total"]) == (0, 5)


def test_buckets_cover_the_window_and_empty_ones_are_shown(front, event, uuid7):
    front.send(event(id=uuid7(START)), event(id=uuid7(START + 1)), event(id=uuid7(START + MINUTE)))
    found = front.get("/v1/overview", buckets=60, **WINDOW)
    assert found["bucket_seconds"] == 60
    counts = {b["time"]: b["events"] for b in found["series"]}
    assert len(counts) == 60
    assert counts["2025-06-15T15:07:00.000000Z"] == 2
    assert counts["2025-06-15T15:08:00.000000Z"] == 1
    assert sum(counts.values()) == 3
    empty = found["series"][0]
    assert (empty["events"], empty["latency_p50_ms"]) == (0, None)


def test_a_resent_event_changes_no_chart(front, event, uuid7):
    line = event(id=uuid7(START), usage={"input": 10}, cost=1.0)
    for _ in range(3):
        front.send(line)
    found = front.get("/v1/overview", **WINDOW)
    assert (found["events"], found["input_tokens"], found["cost"]) == (1, 10, 1.0)


def test_scored_and_pending_follow_the_latest_marker(front, event, uuid7):
    lines = [event(id=uuid7(START + i)) for i in range(3)]
    front.send(*lines)
    worker_score(front, lines[0]["id"], "scored", 1.0)
    worker_score(front, lines[1]["id"], "scored", 1.0)
    worker_score(front, lines[1]["id"], "scored", 0.0, at=2)
    found = front.get("/v1/overview", **WINDOW)
    assert (found["scored"], found["pending"]) == (1, 2)


def test_a_perplexity_is_aggregated_from_its_statistics(front, event, uuid7):
    lines = [event(id=uuid7(START + i)) for i in range(2)]
    front.send(*lines)
    for line, nll, tokens in zip(lines, (2.0, 9.0), (1, 10), strict=True):
        stats = {"nll_sum": nll, "n_tokens": tokens, "n_bytes": tokens * 4}
        for name in PERPLEXITIES | BITS_PER_BYTE:
            worker_score(front, line["id"], name, 99.0, stats)
    for name in PERPLEXITIES:
        (point,) = values(front, name)
        assert point["value"] == pytest.approx(math.exp(11 / 11))
        assert point["n"] == 2
    for name in BITS_PER_BYTE:
        (point,) = values(front, name)
        assert point["value"] == pytest.approx(11 / math.log(2) / 44)


def test_so_is_the_perplexity_by_the_providers_own_numbers(front, event, uuid7):
    lines = [event(id=uuid7(START + i)) for i in range(2)]
    front.send(*lines)
    for line, nll, tokens in zip(lines, (2.0, 9.0), (1, 10), strict=True):
        stats = {"nll_sum": nll, "n_tokens": tokens}
        worker_score(front, line["id"], "provider_perplexity", 99.0, stats)
    assert values(front, "provider_perplexity")[0]["value"] == pytest.approx(math.exp(1.0))


def values(front, name):
    points = front.get("/v1/scores/series", name=name, **WINDOW)["points"]
    return [point for point in points if point["n"]]


def test_other_scores_are_means_weighted_by_sample(front, event, uuid7):
    lines = [event(id=uuid7(START + i)) for i in range(2)]
    front.send(*lines)
    worker_score(front, lines[0]["id"], "hallucination", 1.0, weight=3.0)
    worker_score(front, lines[1]["id"], "hallucination", 0.0, weight=1.0)
    assert values(front, "hallucination")[0]["value"] == 0.75


def test_a_score_computed_again_counts_once(front, event, uuid7):
    line = event(id=uuid7(START))
    front.send(line)
    worker_score(front, line["id"], "hallucination", 1.0, at=1)
    worker_score(front, line["id"], "hallucination", 0.5, at=2)
    (point,) = values(front, "hallucination")
    assert (point["value"], point["n"]) == (0.5, 1)


def test_a_score_that_could_not_be_computed_is_not_a_number(front, event, uuid7):
    line = event(id=uuid7(START))
    front.send(line)
    worker_score(front, line["id"], "hallucination", None)
    assert values(front, "hallucination") == []
    assert front.get("/v1/scores/names", **WINDOW)["names"] == []


def test_the_names_of_scores_leave_the_marker_out(front, event, uuid7):
    line = event(id=uuid7(START))
    front.send(line)
    for name in ("scored", "b", "a"):
        worker_score(front, line["id"], name, 1.0)
    assert front.get("/v1/scores/names", **WINDOW)["names"] == ["a", "b"]


def test_a_short_window_has_fine_buckets_of_scores(front):
    window = {"start": "2025-06-15T15:00:00Z", "end": "2025-06-15T15:01:00Z"}
    found = front.get("/v1/scores/series", name="x", buckets=60, **window)
    assert (found["bucket_seconds"], len(found["points"])) == (1, 60)
    assert {point["value"] for point in found["points"]} == {None}


def test_a_sample_is_weighed_to_what_the_app_made(front, event):
    """Errors are all kept, of the rest one in ten."""
    usage = {"input": 100, "output": 10}
    lines = [event(sample_weight=10, usage=usage, cost=0.5) for _ in range(3)]
    lines += [event(status="error", usage=usage, cost=0.25) for _ in range(2)]
    front.send(*lines)
    found = front.get("/v1/overview")
    assert (found["events"], found["errors"], found["cost"]) == (5, 2, 2.0)
    assert found["estimated"] == {
        "events": 32.0,
        "errors": 2.0,
        "input_tokens": 3200.0,
        "output_tokens": 320.0,
        "cost": 15.5,
    }


def test_the_overview_waits_for_no_writer_of_the_control_database(front, event, uuid7):
    """A watermark or a rescoring may hold it while ClickHouse thinks."""
    front.send(event(id=uuid7(START)))
    answered = threading.Event()

    def read():
        front.get("/v1/overview", **WINDOW)
        answered.set()

    with front.services.control.session():
        reader = threading.Thread(target=read)
        reader.start()
        assert answered.wait(20)
    reader.join()
