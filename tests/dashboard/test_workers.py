"""The workers' page: the fleet as it reported, quarantine with reasons, and the way out of it."""

import html
import time
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import driftline.dashboard
from driftline.sdk.api import Api
from driftline.sdk.ids import Uuid7Ids
from driftline.sdk.records import Score, WorkerReport

APP = Path(driftline.dashboard.__file__).with_name("app.py")
KEY = "sk-dl-00000000-an-admin-key-of-the-tests-only"
HOSTILE = "<script>x</script> ValueError: **boom**"
PROJECT = "poisoned"


@pytest.fixture(scope="module")
def api(collector: str) -> Api:
    """A project with a worker and an event that it could not score."""
    root = Api(collector, KEY)
    root.create_project(PROJECT)
    found = root.for_project(PROJECT)
    now = time.time_ns() // 1000
    ids = [Uuid7Ids().new(now) for _ in range(2)]
    found.send_lines(
        {"id": i, "start_time": now, "name": "answer", "output": "x", "model": "m"} for i in ids
    )
    for _ in range(3):
        lease = found.lease_work("seed")
        while lease is not None and ids[0] not in [e.id for e in lease.events]:
            lease = found.lease_work("seed")
        assert lease is not None
        scores = [Score(e.id, "n", 1.0) for e in lease.events if e.id != ids[0]]
        found.finish_scoring(lease.id, scores, [], {ids[0]: HOSTILE})
    assert found.lease_work("seed") is None
    found.report_worker(
        WorkerReport(
            name="gpu-box.1", device="cuda:1", state="working", started_at="2026-11-21T10:00:00Z",
            lag_seconds=2.5, tokens_per_second=91_234.0, events_per_second=41.5, busy_share=0.82,
            events_scored=1, events_failed=1, events_reused=0, cost_per_1000_events=0.0123,
        )
    )  # fmt: skip
    return found


@pytest.fixture
def page(api: Api, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("DRIFTLINE_URL", api.url)
    monkeypatch.setenv("DRIFTLINE_API_KEY", KEY)
    app = AppTest.from_file(str(APP), default_timeout=60)
    app.query_params["project"] = PROJECT
    return app


def shown(page: AppTest) -> str:
    found = [html.unescape(element.proto.body) for element in page.get("html")]
    found += [
        element.value for kind in ("caption", "warning", "info") for element in page.get(kind)
    ]
    return "\n".join([*found, *(metric.value for metric in page.metric)])


def opened(page: AppTest) -> AppTest:
    page.run()
    page.switch_page("views/workers.py").run()
    assert not page.exception, page.exception
    return page


def test_the_fleet_is_shown_with_what_each_worker_said(page: AppTest) -> None:
    words = shown(opened(page))
    for said in ("gpu-box.1", "cuda:1", "working", "82.0 %", "91,234", "41.5", "0.0123", "2.50 s"):
        assert said in words, said


def test_quarantine_is_shown_with_its_reason_as_plain_text(page: AppTest) -> None:
    found = opened(page)
    assert HOSTILE in shown(found)
    assert not any("<script" in element.proto.body for element in found.get("html"))


def test_the_overview_points_to_quarantine(page: AppTest) -> None:
    page.run()
    assert "1 event could not be scored" in shown(page)


def test_an_event_leaves_quarantine_by_a_click_and_waits_for_a_worker(
    page: AppTest, api: Api
) -> None:
    (event,) = api.quarantine()
    button: Any = opened(page).button(key=f"retry-{event.event_id}")
    button.click().run()
    assert not page.exception
    assert api.quarantine() == []
    assert "Every event of this time range" in shown(page)
    lease = api.lease_work("seed")
    assert lease is not None and [e.id for e in lease.events] == [event.event_id]
