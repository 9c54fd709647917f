"""Real clients that send faster than their project may: slower, and complete."""

import dataclasses
import json
import urllib.request
from pathlib import Path

import pytest

from driftline.cli.main import main
from driftline.sdk.api import Api

ALL_TIME = "2000-01-01T00:00:00Z"
RATE = 100  # a second: 500 pass at once
EVENTS = 1600


@pytest.fixture
def slow_project(collector, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Api:
    for name in ("DRIFTLINE_API_KEY", "DRIFTLINE_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DRIFTLINE_URL", collector.url)
    monkeypatch.setenv("DRIFTLINE_HOME", str(collector.home))
    collector.admin.create_project(request.node.name)
    api: Api = collector.admin.for_project(request.node.name)
    api.set_settings(dataclasses.replace(api.settings(), events_per_second=RATE))
    return api


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.jsonl"
    lines = ({"id": f"r{n}", "input": f"q{n}", "output": f"a{n}"} for n in range(EVENTS))
    file.write_text("\n".join(map(json.dumps, lines)))
    return file


def refused(collector) -> float:
    with urllib.request.urlopen(f"{collector.url}/metrics") as answer:
        text = answer.read().decode()
    wanted = 'driftline_ingest_refused_requests_total{reason="rate_limited"}'
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(wanted))


@pytest.mark.parametrize("command", ["replay", "import"])
def test_nothing_is_lost(collector, slow_project: Api, rows: Path, command: str) -> None:
    """`replay` sends with the SDK, `import` with the API's client."""
    before = refused(collector)
    assert main([command, str(rows), "--project", slow_project.project]) == 0
    assert refused(collector) > before
    assert slow_project.overview(start=ALL_TIME, buckets=1).events == EVENTS
    assert slow_project.overview(start=ALL_TIME, buckets=1).lost_by_clients == {}
