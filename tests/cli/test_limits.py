"""Real clients that send faster than their project may: slower, and complete."""

import dataclasses
import json
import urllib.request
from pathlib import Path

import pytest

from driftline.cli.main import main
from driftline.sdk.api import Api

ALL_TIME = "2000-01-01T00:00:00Z"
# Events a second, of which five seconds' worth pass at once, and how many are sent: requests
# enough, and sent faster than that by any machine.
SLOW = {"replay": (20, 300), "import": (100, 1600)}


@pytest.fixture
def slow_project(collector, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Api:
    for name in ("DRIFTLINE_API_KEY", "DRIFTLINE_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DRIFTLINE_URL", collector.url)
    monkeypatch.setenv("DRIFTLINE_HOME", str(collector.home))
    collector.admin.create_project(request.node.name)
    api: Api = collector.admin.for_project(request.node.name)
    return api


def rows(file: Path, count: int) -> None:
    lines = ({"id": f"r{n}", "input": f"q{n}", "output": f"a{n}"} for n in range(count))
    file.write_text("\n".join(map(json.dumps, lines)))


def refused(collector) -> float:
    with urllib.request.urlopen(f"{collector.url}/metrics") as answer:
        text = answer.read().decode()
    wanted = 'driftline_ingest_refused_requests_total{reason="rate_limited"}'
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(wanted))


@pytest.mark.parametrize("command", ["replay", "import"])
def test_nothing_is_lost(collector, slow_project: Api, tmp_path: Path, command: str) -> None:
    """`replay` sends with the SDK, `import` with the API's client."""
    rate, count = SLOW[command]
    settings = dataclasses.replace(slow_project.settings(), events_per_second=rate)
    slow_project.set_settings(settings)
    file, before = tmp_path / "rows.jsonl", refused(collector)
    rows(file, count)
    assert main([command, str(file), "--project", slow_project.project]) == 0
    assert refused(collector) > before
    assert slow_project.overview(start=ALL_TIME, buckets=1).events == count
    assert slow_project.overview(start=ALL_TIME, buckets=1).lost_by_clients == {}
