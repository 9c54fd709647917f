"""A real collector for the commands that speak to one."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from driftline.sdk.api import Api
from driftline.supervisor.ports import free_port

DEADLINE_SECONDS = 60.0


@dataclass(frozen=True)
class Collector:
    """Where it is, and the administrator's client on no project."""

    url: str
    home: Path
    admin: Api


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    home, port = tmp_path_factory.mktemp("home"), free_port()
    url = f"http://127.0.0.1:{port}"
    kept = {k: v for k, v in os.environ.items() if k == "DRIFTLINE_SPOOL_DIR"}
    own = {k: v for k, v in os.environ.items() if not k.startswith("DRIFTLINE_")} | kept
    settings = {"DRIFTLINE_HOME": str(home), "DRIFTLINE_PORT": str(port)}
    allow = {"DRIFTLINE_WEBHOOK_ALLOW": "127.0.0.1/32"}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "driftline.collector"],
            env=own | settings | allow,
            stdout=log,
            stderr=log,
        )
    probe = Api(url, "", retries=0)
    deadline = time.monotonic() + DEADLINE_SECONDS
    pause = threading.Event()
    while not probe.ready():
        assert process.poll() is None and time.monotonic() < deadline, (home / "log").read_text()
        pause.wait(0.05)
    yield Collector(url, home, Api(url, (home / "admin.key").read_text().strip()))
    process.terminate()
    assert process.wait(DEADLINE_SECONDS) == 0
