"""`driftline hallucination`: the rate, and labels that people give on a terminal."""

import io
import json
import time
from typing import Any

import pytest

from driftline.cli.main import main
from driftline.sdk.api import Api
from driftline.sdk.ids import Uuid7Ids
from driftline.sdk.records import Score

ANSWERS = 30


@pytest.fixture(scope="module")
def shop(collector: Any) -> Api:
    """Answers with a context that a worker gave a probability."""
    collector.admin.create_project("shop to label")
    api: Api = collector.admin.for_project("shop to label")
    now = time.time_ns() // 1000
    lines: list[dict[str, Any]] = [
        {
            "id": Uuid7Ids().new(now - n * 1000, live=False),
            "start_time": now - n * 1000,
            "input": f"question {n}",
            "output": f"answer {n}",
            "context": ["the passage"],
        }
        for n in range(ANSWERS)
    ]
    api.send_lines(lines)
    lease = api.lease_work("w", max_events=ANSWERS)
    assert lease is not None
    scores = [Score(event.id, "hallucination", 0.3) for event in lease.events]
    api.finish_scoring(lease.id, scores, [], {})
    return api


@pytest.fixture
def call(
    collector: Any, shop: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Any:
    for name in ("DRIFTLINE_API_KEY", "DRIFTLINE_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DRIFTLINE_URL", collector.url)
    monkeypatch.setenv("DRIFTLINE_HOME", str(collector.home))

    def run(*words: str, typed: str = "", status: int = 0) -> tuple[dict[str, Any], str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        project = ("--project", "shop to label", "--json")
        assert main(["hallucination", *words, *project]) == status
        captured = capsys.readouterr()
        return json.loads(captured.out or "{}"), captured.err

    return run


def test_the_rate_and_what_it_rests_on(call: Any) -> None:
    found, _ = call("rate", "--since", "1h")
    assert (found["estimate"], found["n"]) == (pytest.approx(0.3), ANSWERS)
    assert found["method"] == "calibrated probabilities"


def test_labels_are_stored_as_they_are_typed_until_the_person_stops(call: Any, shop: Api) -> None:
    order = shop.hallucination_unlabelled(limit=4)
    found, shown = call("label", "--since", "1h", typed="y\nwhat?\nn\ns\nq\n")
    assert found == {"labelled": 2}
    assert "[context 1] the passage" in shown and "[user] question" in shown
    said = {s.event_id: s.value for s in shop.scores_of(order) if s.source == "human"}
    assert said == {order[0]: 1.0, order[1]: 0.0}


def test_enough_labels_correct_the_rate(call: Any) -> None:
    call("label", "--since", "1h", "-n", "22", typed="n\n" * 22)
    found, _ = call("rate", "--since", "1h")
    assert (found["method"], found["n_labelled"]) == ("prediction-powered", 24)
    assert found["low"] <= found["estimate"] < 0.1 < found["high"]


def test_nothing_to_label_is_said(call: Any) -> None:
    _, said = call("label", "--since", "2000-01-01", "--until", "2000-02-01", status=2)
    assert "no answer to label" in said
