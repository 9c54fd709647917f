"""The API is as it says: schemathesis sends what the schema allows, and much that it does not.

Every answer must be documented in status, type and shape, and none may be a 5xx.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from driftline.sdk.api import Api
from driftline.supervisor.ports import free_port

ADMIN_KEY = "sk-dl-00000000-an-admin-key-of-the-tests-only"
DEADLINE_SECONDS = 60.0
FUZZED_ELSEWHERE = (  # bodies that are no JSON: test_bad_input, test_otlp
    "ingest_v1_events_post",
    "export_v1_traces_post",
    "export_api_public_otel_v1_traces_post",
)
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A collector of its own, with a project named fuzz."""
    home, port = tmp_path_factory.mktemp("home"), free_port()
    settings = {"HOME": str(home), "PORT": str(port), "ADMIN_KEY": ADMIN_KEY}
    environment = {f"DRIFTLINE_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "driftline.collector"]
    log = (home / "log").open("wb")
    with log, subprocess.Popen(command, env=os.environ | environment, stderr=log) as collector:
        try:
            admin = Api(f"http://127.0.0.1:{port}", ADMIN_KEY, retries=0)
            wait_until_ready(admin)
            admin.create_project("fuzz")
            yield admin.url
        finally:
            collector.terminate()


def wait_until_ready(admin: Api) -> None:
    deadline, pause = time.monotonic() + DEADLINE_SECONDS, threading.Event()
    while not admin.ready():
        assert time.monotonic() < deadline, "the collector did not start"
        pause.wait(0.1)


def test_every_operation_answers_as_documented(url: str, tmp_path: Path) -> None:
    command = [Path(sys.executable).with_name("st"), "run", f"{url}/openapi.json"]
    headers = [f"Authorization: Bearer {ADMIN_KEY}", "Driftline-Project: fuzz"]
    options = [option for header in headers for option in ("-H", header)]
    options += ["--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing", "--seed", "1"]
    for fuzzed in FUZZED_ELSEWHERE:
        options += ["--exclude-operation-id", fuzzed]
    options += ["--max-examples", "5", "--generation-database", "none", "--no-color"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-12000:] + done.stderr[-2000:]
    assert "Tested:" in done.stdout
