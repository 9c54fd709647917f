"""workers, quarantine and backfill against a real collector; the test does the worker's work."""

import json
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from driftline.cli.main import main
from driftline.sdk.api import Api
from driftline.sdk.ids import Uuid7Ids
from driftline.sdk.records import Score, WorkerReport

Run = Callable[..., str]
IDS = Uuid7Ids()


class Running(Protocol):
    """The collector of conftest.py."""

    url: str
    home: Path
    admin: Api


@pytest.fixture
def api(collector: Running, request: pytest.FixtureRequest) -> Api:
    """The client of a project of the test's own."""
    name = request.node.name[:60]
    collector.admin.create_project(name)
    return collector.admin.for_project(name)


@pytest.fixture
def run(
    collector: Running,
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run a command on the test's project; returns what it printed."""
    monkeypatch.setenv("DRIFTLINE_URL", collector.url)
    monkeypatch.setenv("DRIFTLINE_HOME", str(collector.home))
    monkeypatch.setenv("DRIFTLINE_PROJECT", api.project)
    monkeypatch.delenv("DRIFTLINE_API_KEY", raising=False)

    def call(*words: str, status: int = 0) -> str:
        assert main(words) == status, capsys.readouterr().err
        captured = capsys.readouterr()
        return captured.out if status == 0 else captured.err

    return call


def sent(api: Api, count: int) -> list[str]:
    ids = [IDS.new(time.time_ns() // 1000) for _ in range(count)]
    lines = [{"id": i, "start_time": 1_760_000_000_000_000, "output": "o"} for i in ids]
    assert api.send_lines(lines).accepted == count
    return ids


def work(api: Api, failed: dict[str, str] | None = None, leases: int = 1000) -> int:
    """Score what waits, at most so many leases; returns how many events had a result."""
    done = 0
    for _ in range(leases):
        lease = api.lease_work("by hand", max_events=10)
        if lease is None:
            break
        bad = {e.id: failed[e.id] for e in lease.events if e.id in (failed or {})}
        scores = [Score(e.id, "n", 1.0) for e in lease.events]
        api.finish_scoring(lease.id, scores, [], bad)
        done += len(lease.events) - len(bad)
    return done


@pytest.fixture
def busy(api: Api) -> Iterator[None]:
    """Somebody works while the command waits."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.wait(0.05):
            work(api)

    thread = threading.Thread(target=loop)
    thread.start()
    yield
    stop.set()
    thread.join()


def test_what_is_quarantined_is_listed_with_its_reason_and_retried(run: Run, api: Api) -> None:
    poison, other, _ = sent(api, 3)
    work(api, {poison: "perplexity: ValueError: boom", other: "too odd"})
    shown = run("quarantine", "list")
    assert poison in shown and "ValueError: boom" in shown and "too odd" in shown
    assert "1" in run("quarantine", "retry", poison)
    assert [e["event_id"] for e in json.loads(run("quarantine", "list", "--json"))] == [other]
    assert json.loads(run("quarantine", "retry", "--all", "--json")) == {
        "events to be tried again": 1
    }
    assert "nothing is in quarantine" in run("quarantine", "list")
    assert work(api) == 2


def test_a_retry_names_events_or_says_all_and_not_both(run: Run) -> None:
    assert "--all" in run("quarantine", "retry", status=2)
    assert "--all" in run("quarantine", "retry", "x", "--all", status=2)


def test_workers_are_listed_with_what_they_said(run: Run, api: Api) -> None:
    assert "driftline worker" in run("workers")
    report = WorkerReport(
        "box.0", "cuda:1", "working", "2026-11-21T10:00:00Z", 2.5, 900.0, 4.0, 0.75, 12, 1, 0, 0.05
    )
    api.report_worker(report)
    shown = run("workers")
    assert re.search(r"box\.0 +working +cuda:1 +75 % +2\.5 +900 +12 +1 +0\.05", shown)


@pytest.mark.usefixtures("busy")
def test_a_backfill_scores_everything_again_and_says_so(run: Run, api: Api) -> None:
    ids = sent(api, 25)
    work(api)
    before = {s.computed_at for i in ids for s in api.scores(i)}
    printed = run("backfill", "--since", "1h")
    assert "25/25" in printed and re.search(r"scored again +25", printed)
    after = {s.computed_at for i in ids for s in api.scores(i)}
    assert min(after) > max(before)


def test_an_interrupted_backfill_goes_on_where_it_was(
    run: Run, api: Api, request: pytest.FixtureRequest
) -> None:
    """Ten of 25 events are done when Ctrl-C comes; the same command waits for the other 15 only."""
    sent(api, 25)
    work(api)
    # A shell starts what is in its background with Ctrl-C ignored, this suite perhaps too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    def interrupt() -> None:
        while not work(api, leases=1):
            pass
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    ctrl_c = threading.Thread(target=interrupt)
    ctrl_c.start()
    run("backfill", "--since", "1h", status=130)
    ctrl_c.join()
    rest: list[int] = []
    worker = threading.Thread(target=lambda: rest.append(work(api)))
    worker.start()
    assert "goes on with the backfill" in run("backfill", "--since", "1h")
    worker.join()
    assert rest == [15]
    assert json.loads(run("backfill", "--since", "1h", "--no-wait", "--json")) == {
        "events to score": 25
    }


def test_a_backfill_of_a_wrong_time_is_refused(run: Run) -> None:
    with pytest.raises(SystemExit):
        run("backfill", "--since", "yesterday")
