"""The worker process against a real collector process: nothing lost, nothing scored twice."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from driftline.metrics.catalog import built_in, embeddings
from driftline.metrics.scoring import MAX_ERROR_CHARACTERS
from driftline.metrics.worker import blame, lag_seconds
from driftline.sdk.api import Api
from driftline.sdk.errors import Unreachable
from driftline.sdk.records import Event, Monitor, decode_record

Wait = Callable[[Callable[[], object], str], None]

ADMIN_KEY = "sk-dl-00000000-an-admin-key-of-the-worker-tests-only"
SCORES = built_in().defaults - embeddings()
STOP_SECONDS = 150.0
HELD_SECONDS = 2.0  # a short lease, for tests in which one runs out


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_id() -> str:
    """A UUIDv7 of now (RFC 9562, 5.7)."""
    milliseconds = time.time_ns() // 1_000_000
    random = uuid.uuid4().int & ((1 << 76) - 1)
    number = milliseconds << 80 | 0x7 << 76 | (random & ~(0b11 << 62)) | 0b10 << 62
    return str(uuid.UUID(int=number))


def line(number: int, **fields: object) -> dict[str, Any]:
    asked = [{"role": "user", "content": f"How many legs do {number + 2} cats have?"}]
    answered = f"They have {4 * (number + 2)} legs."
    start = time.time_ns() // 1000
    return {"id": make_id(), "start_time": start, "input": asked, "output": answered, **fields}


class Process:
    """A child process with its output in a file; killed at the end, whatever happens."""

    def __init__(self, module: str, output: Path, environment: dict[str, str], *args: str) -> None:
        self._output = output
        with output.open("wb") as file:
            self._child = subprocess.Popen(
                [sys.executable, "-m", module, *args],
                env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def words(self) -> str:
        return self._output.read_text("utf-8", "replace")

    def signal(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    def wait(self) -> int:
        """The exit status."""
        return self._child.wait(STOP_SECONDS)

    def is_running(self) -> bool:
        return self._child.poll() is None

    def end(self) -> None:
        self._child.kill()
        self._child.wait()


class Site:
    """A running collector with an empty project, and the workers started on it."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self.processes: list[Process] = []
        self.start(
            "driftline.collector",
            {
                "DRIFTLINE_HOME": str(folder / "home"),
                "DRIFTLINE_PORT": str(port),
                "DRIFTLINE_ADMIN_KEY": ADMIN_KEY,
            },
        )
        self.admin = Api(self.url, ADMIN_KEY, project="cats")

    def start(self, module: str, environment: dict[str, str], *args: str) -> Process:
        output = self.folder / f"{len(self.processes)}.log"
        self.processes.append(Process(module, output, environment, *args))
        return self.processes[-1]

    def open(self, wait_until: Wait) -> None:
        wait_until(self.admin.ready, "the collector is ready")
        Api(self.url, ADMIN_KEY).create_project("cats")

    def send(self, lines: Sequence[dict[str, Any]]) -> list[str]:
        result = self.admin.send_lines(lines)
        assert result.accepted == len(lines), result.rejected
        return [str(one["id"]) for one in lines]

    def work(self, *args: str, key: str = "") -> "Running":
        port = free_port()
        if not key:
            key = Api(self.url, ADMIN_KEY).create_key("work").secret
        environment = {"DRIFTLINE_URL": self.url, "DRIFTLINE_API_KEY": key}
        arguments = ("--device", "cpu", "--health-port", str(port), *args)
        return Running(self.start("driftline.metrics", environment, *arguments), port)

    def pending(self) -> int:
        return self.admin.overview().pending

    def assert_scored_once(self, ids: Sequence[str]) -> None:
        for event_id in ids:
            scores = self.admin.scores(event_id)
            assert Counter(score.name for score in scores) == Counter(["scored", *SCORES])
            assert [s.label for s in scores if s.name == "scored"] == ["ok"]

    def close(self) -> None:
        for process in self.processes:
            process.end()


class Running:
    """A worker process and its health port."""

    def __init__(self, process: Process, port: int) -> None:
        self.process = process
        self._url = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> str:
        """The body, whatever the status; "" while nobody listens."""
        try:
            with urllib.request.urlopen(self._url + path, timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode()
        except OSError:
            return ""

    def meter(self, name: str) -> float:
        """The value of a metric, labels and all; 0 while it is not there."""
        lines = (line.rsplit(" ", 1) for line in self.get("/metrics").splitlines())
        return next((float(value) for key, value in lines if key == name), 0.0)

    def holds_a_lease(self) -> bool:
        return self.meter("driftline_worker_lag_seconds") > 0

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.process.words.splitlines()]


@pytest.fixture
def site(tmp_path: Path, wait_until: Wait) -> Iterator[Site]:
    made = Site(tmp_path)
    try:
        made.open(wait_until)
        yield made
    finally:
        made.close()


# ------------------------------------------------------------------------ the process


@pytest.mark.model
def test_once_scores_everything_there_is_and_exits_without_logging_a_prompt(site: Site) -> None:
    ids = site.send(
        [
            line(0, context=["A cat has four legs."]),
            line(1, output="CONFIDENTIAL \ud83d\ude00 answer"),
            line(2, output="", status="error", error="timeout"),
        ]
    )
    (search,) = site.send([line(3, kind="retrieval")])
    worker = site.work("--once", "--max-events", "2")
    assert worker.process.wait() == 0, worker.process.words
    site.assert_scored_once(ids)
    assert [score.name for score in site.admin.scores(search)] == ["scored"]
    overview = site.admin.overview()
    assert (overview.scored, overview.pending, overview.failed_scoring) == (4, 0, 0)
    events = [entry["event"] for entry in worker.lines()]  # each line is JSON
    assert events[0] == "worker started" and events[-1] == "worker stopped"
    assert {"scored", "models loaded"} < set(events) and "no lease" not in events
    for word in ("CONFIDENTIAL", "cats have", "sk-dl-"):
        assert word not in worker.process.words


THEIRS = """
from driftline.metrics.metric import Value, metric

def card(name, low=0.0):
    words = dict(title="Theirs", formula="f", needs="response", lies="always")
    return metric(name=name, low=low, version="3", **words)

@card("their_length")
def length(event):
    return Value(float(len(event.output)))

@card("their_fault")
def fault(event):
    raise RuntimeError("out of ideas")
"""


def install_theirs(folder: Path) -> None:
    """A package with two metrics, and an entry point that leads nowhere."""
    about = folder / "their_metrics-1.0.dist-info"
    about.mkdir(parents=True)
    (folder / "their_metrics.py").write_text(THEIRS)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: their-metrics\nVersion: 1.0\n")
    names = "".join(f"{name} = their_metrics:{name}\n" for name in ("length", "fault", "absent"))
    (about / "entry_points.txt").write_text(f"[driftline.metrics]\n{names}")


@pytest.mark.model
def test_a_project_gets_the_metrics_it_chose_those_of_other_packages_too(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_theirs(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    worker = site.work("--once")
    assert worker.process.wait() == 0, worker.process.words
    left_out = [entry for entry in worker.lines() if entry["event"] == "metrics left out"]
    assert ["their-metrics" in entry["problem"] for entry in left_out] == [True]
    (status,) = site.admin.workers()
    assert status.report.left_out == [left_out[0]["problem"]]
    cards = {card.name: card for card in site.admin.metrics()}
    assert cards["their_length"].package == "their-metrics" and cards["their_length"].on
    chosen = {"their_length", "their_fault", "response_words"}
    off = [card.name for card in cards.values() if card.on and card.name not in chosen]
    site.admin.set_settings(replace(site.admin.settings(), metrics_off=off))
    (one,) = site.send([line(0, context=["A cat has four legs."])])
    assert site.work("--once").process.wait() == 0
    scores = {score.name: score for score in site.admin.scores(one)}
    assert set(scores) == {"scored", *chosen}
    assert scores["scored"].label == "ok"
    assert (scores["their_length"].value, scores["their_length"].metric_version) == (17.0, "3")
    assert scores["their_fault"].value is None
    assert scores["their_fault"].explanation == "RuntimeError: out of ideas"


@pytest.mark.model
def test_a_worker_killed_in_the_middle_of_a_lease_loses_nothing(
    site: Site, wait_until: Wait
) -> None:
    ids = site.send([line(number) for number in range(6)])
    doomed = site.work("--lease-seconds", str(HELD_SECONDS))
    wait_until(doomed.holds_a_lease, "the first worker holds a lease")
    doomed.process.signal(signal.SIGKILL)
    doomed.process.wait()
    assert site.pending() == len(ids)
    second = site.work()
    wait_until(lambda: site.pending() == 0, "the second worker scored all")
    second.process.signal(signal.SIGTERM)
    assert second.process.wait() == 0, second.process.words
    site.assert_scored_once(ids)
    assert site.admin.overview().scored == len(ids)


@pytest.mark.model
def test_a_worker_told_to_stop_releases_its_lease_at_once(site: Site, wait_until: Wait) -> None:
    ids = site.send([line(number) for number in range(3)])
    first = site.work("--lease-seconds", "3600")
    wait_until(first.holds_a_lease, "the first worker holds a lease")
    first.process.signal(signal.SIGTERM)
    assert first.process.wait() == 0, first.process.words
    assert [w.report.state for w in site.admin.workers()] == ["stopped"]
    second = site.work("--once")
    assert second.process.wait() == 0, second.process.words
    site.assert_scored_once(ids)


@pytest.mark.model
def test_results_for_a_lost_lease_are_dropped_and_counted(site: Site, wait_until: Wait) -> None:
    ids = site.send([line(number) for number in range(3)])
    frozen = site.work("--lease-seconds", str(HELD_SECONDS), "--max-events", "3")
    wait_until(frozen.holds_a_lease, "the first worker holds a lease")
    frozen.process.signal(signal.SIGSTOP)
    other = site.work()
    wait_until(lambda: site.pending() == 0, "the other worker scored all")
    frozen.process.signal(signal.SIGCONT)
    lost = 'driftline_worker_leases_total{kind="score",outcome="lost"}'
    wait_until(lambda: frozen.meter(lost) == 1, "the lost lease is counted")
    site.assert_scored_once(ids)
    assert frozen.process.is_running() and other.process.is_running()


@pytest.mark.model
def test_a_full_window_is_tested_for_drift(site: Site, wait_until: Wait) -> None:
    monitor = Monitor(reference_events=60, window_events=30, permutations=199)  # the least allowed
    site.admin.set_monitor(monitor)
    site.send([line(number) for number in range(90)])
    worker = site.work("--max-events", "45")
    wait_until(site.admin.drift_windows, "the window is tested")
    (window,) = site.admin.drift_windows()
    assert (window.n_reference, window.n_current) == (60, 30)
    decision = site.admin.drift_window(window.id).result.decision
    counted = f'driftline_worker_drift_windows_total{{decision="{decision}"}}'
    wait_until(lambda: worker.meter(counted) == 1, "the window is counted")


@pytest.mark.model
def test_a_worker_outlives_an_absence_of_the_collector(site: Site, wait_until: Wait) -> None:
    worker = site.work()
    wait_until(lambda: '"ok"' in worker.get("/readyz"), "the worker is ready")
    wait_until(site.admin.workers, "it reports")
    assert {"driftline_worker_busy_ratio", "driftline_worker_tokens_per_second"} <= {
        text.split(" ")[0] for text in worker.get("/metrics").splitlines()
    }
    collector = site.processes[0]
    collector.signal(signal.SIGTERM)
    assert collector.wait() == 0
    wait_until(lambda: "no answer" in worker.get("/readyz"), "the worker says that it is not")
    assert worker.get("/healthz")
    assert worker.meter('driftline_worker_collector_errors_total{error="Unreachable"}') >= 1
    worker.process.signal(signal.SIGTERM)
    assert worker.process.wait() == 0


# --------------------------------------------------------------------- clear refusals


def test_without_a_key_the_worker_says_which_variable_to_set(tmp_path: Path) -> None:
    worker = Process("driftline.metrics", tmp_path / "log", {"DRIFTLINE_API_KEY": ""})
    assert worker.wait() == 1
    assert "DRIFTLINE_API_KEY" in worker.words


def test_a_model_that_is_not_installed_is_said_before_anything_is_leased(tmp_path: Path) -> None:
    arguments = ("--health-port", str(free_port()), "--scorer", "pypi:no-such-model-package")
    environment = {"DRIFTLINE_API_KEY": "sk-dl-x", "DRIFTLINE_URL": "http://127.0.0.1:1"}
    worker = Process("driftline.metrics", tmp_path / "log", environment, *arguments)
    assert worker.wait() == 1
    assert "pip install no-such-model-package" in worker.words


@pytest.mark.model
def test_a_key_that_may_not_work_is_an_error_and_not_a_loop(site: Site) -> None:
    key = site.admin.create_key("ingest").secret
    worker = site.work(key=key)
    assert worker.process.wait() == 1
    assert "scope `work`" in worker.process.words


# -------------------------------------------------------------------- pure functions


def event_ingested(seconds_ago: float, now: datetime) -> Event:
    when = (now - timedelta(seconds=seconds_ago)).isoformat().replace("+00:00", "Z")
    blank = dict.fromkeys(Event.__dataclass_fields__, "")
    lists = {"input": [], "context": [], "token_logprobs": [], "tags": []}
    maps: dict[str, object] = {"usage": {}, "metadata": {}, "truncated": {}}
    numbers = {"latency_ms": 0, "sample_weight": 1, "cost": None, "time_to_first_token_ms": None}
    return decode_record(Event, {**blank, **lists, **maps, **numbers, "ingested_at": when})


def test_lag_is_the_age_of_the_oldest_event() -> None:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    events = [event_ingested(5, now), event_ingested(90, now)]
    assert lag_seconds(events, now) == pytest.approx(90)


def test_a_clock_that_runs_behind_makes_no_negative_lag() -> None:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert lag_seconds([event_ingested(-30, now)], now) == 0
    assert lag_seconds([], now) == 0


def test_an_absent_collector_is_no_events_fault_and_other_errors_are_cut() -> None:
    assert blame(Unreachable("no answer")) == ""
    assert blame(ValueError("x" * 9999)).startswith("ValueError: xxx")
    assert len(blame(ValueError("x" * 9999))) == MAX_ERROR_CHARACTERS
