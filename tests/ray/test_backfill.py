"""`driftline backfill --engine ray` on a local Ray: every event is scored once, by Ray's actors.

Runs in .venv-ray (make integrations); `make test` has no Ray and leaves it out.
"""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from driftline.cli.main import main
from driftline.metrics.catalog import installed
from driftline.sdk.api import Api
from driftline.sdk.ids import Uuid7Ids
from driftline.supervisor.ports import free_port

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore"),  # of Ray's own code
]
EVENTS = 60
DEADLINE_SECONDS = 60.0


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A collector of its own with a project that chose metrics of the text alone."""
    port = free_port()
    url, home = f"http://127.0.0.1:{port}", tmp_path / "home"
    monkeypatch.setenv("DRIFTLINE_URL", url)
    monkeypatch.setenv("DRIFTLINE_HOME", str(home))
    monkeypatch.setenv("DRIFTLINE_PROJECT", "shop")
    environment = {**os.environ, "DRIFTLINE_PORT": str(port)}
    command = [sys.executable, "-m", "driftline.collector"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield project(url, home, process)
    finally:
        process.terminate()
        process.wait(DEADLINE_SECONDS)


def project(url: str, home: Path, collector: subprocess.Popen[bytes]) -> Api:
    probe, pause = Api(url, "", retries=0), threading.Event()
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not probe.ready():
        assert collector.poll() is None and time.monotonic() < deadline
        pause.wait(0.1)
    admin = Api(url, (home / "admin.key").read_text().strip())
    admin.announce_metrics(installed().records())
    admin.create_project("shop")
    found = admin.for_project("shop")
    off = sorted(installed().entries.keys() - installed().metrics.keys())
    found.set_settings(dataclasses.replace(found.settings(), metrics_off=off))
    return found


def test_a_backfill_over_ray_scores_every_event_once(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    new = Uuid7Ids().new
    ids = [new(time.time_ns() // 1000) for _ in range(EVENTS)]
    lines = [{"id": i, "start_time": time.time_ns() // 1000, "output": f"answer {i}"} for i in ids]
    assert api.send_lines(lines).accepted == EVENTS
    words = ["backfill", "--since", "1h", "--engine", "ray", "--ray-workers", "2"]
    assert main([*words, "--ray-cpus", "0.5", "--max-events", "8", "--device", "cpu"]) == 0
    assert re.search(rf"scored again +{EVENTS}", capsys.readouterr().out)
    overview = api.overview()
    assert (overview.scored, overview.pending, overview.failed_scoring) == (EVENTS, 0, 0)
    for event_id in ids:
        names = Counter(score.name for score in api.scores(event_id))
        assert names["scored"] == names["response_length"] == 1 and set(names.values()) == {1}
    assert {w.report.name.partition("-")[0] for w in api.workers()} == {"ray"}
    assert {k.name: bool(k.revoked_at) for k in Api.keys(api)}["backfill on Ray"]
