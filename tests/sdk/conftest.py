"""A collector to count with (a real HTTP server), a client that logs to memory, and time."""

import gzip
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import zstandard

import driftline
from driftline.sdk import ambient
from driftline.sdk.testing import MemoryTransport

DEADLINE_SECONDS = 20.0


@dataclass
class Answer:
    """What the sink says to one request. `hold` keeps it from saying it."""

    status: int = 200
    rejected: list[dict[str, Any]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    hold: threading.Event | None = None
    hang_up: bool = False

    def encoded(self, lines: int) -> bytes:
        if self.body is not None:
            return self.body
        accepted = lines - len(self.rejected)
        return json.dumps(
            {"accepted": accepted, "duplicates": 0, "rejected": self.rejected, "warnings": []}
        ).encode()


class Sink(ThreadingHTTPServer):
    """Counts what arrives at POST /v1/events; answers `answers` in turn, then 200."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[dict[str, str], list[dict[str, Any]]]] = []
        self.lines: list[dict[str, Any]] = []
        self.connections = 0
        self.answers: list[Answer] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        with self.lock:
            return [line for line in self.lines if line["type"] == kind]

    @property
    def events(self) -> list[dict[str, Any]]:
        return self.of_type("event")


def _plain(body: bytes, headers: Mapping[str, str]) -> bytes:
    if headers["Content-Encoding"] == "zstd":
        return zstandard.decompress(body)
    return gzip.decompress(body)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Sink

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        lines = [json.loads(line) for line in _plain(body, self.headers).split(b"\n")]
        with self.server.lock:
            self.server.requests.append((dict(self.headers), lines))
            answer = self.server.answers.pop(0) if self.server.answers else Answer()
        if answer.hold is not None:
            answer.hold.wait(DEADLINE_SECONDS)
        if answer.status == 200:
            with self.server.lock:
                self.server.lines.extend(lines)
        self.respond(answer, len(lines))

    def respond(self, answer: Answer, lines: int) -> None:
        data = answer.encoded(lines)
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(data)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = answer.hang_up or self.close_connection

    def log_message(self, format: str, *args: Any) -> None:
        pass


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait until `condition()`, for at most DEADLINE_SECONDS."""
    until = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < until, f"never: {what}"
        threading.Event().wait(0.005)


@pytest.fixture
def wait_for() -> Callable[[Callable[[], bool], str], None]:
    return eventually


@pytest.fixture
def sink() -> Iterator[Sink]:
    server = Sink()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def new_answer() -> type[Answer]:
    return Answer


@pytest.fixture(autouse=True)
def own_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test has the process's client, and no DRIFTLINE_* variable, for itself."""
    ours = [name for name in os.environ if name.startswith("DRIFTLINE_")]
    for name in set(ours) - {"DRIFTLINE_SPOOL_DIR"}:
        monkeypatch.delenv(name)
    monkeypatch.setattr(ambient, "_client", None)
    yield
    if ambient._client is not None:
        ambient._client.shutdown(1.0)


@pytest.fixture
def memory(own_client: None) -> MemoryTransport:
    """`driftline` logs to memory."""
    transport = MemoryTransport()
    driftline.init(transport=transport)
    return transport


@pytest.fixture
def leave_pytest(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """To call first: the SDK no longer sees a test, internal errors are swallowed as in production.

    (pytest sets the variable again after the fixtures, so a fixture alone cannot unset it.)
    """
    return lambda: monkeypatch.delenv("PYTEST_CURRENT_TEST")


RunScript = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_script() -> RunScript:
    """Run Python code in a process of its own, outside of pytest; returns what it printed."""

    def run(code: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        env = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
        done = subprocess.run(
            # Python 3.12 warns of every fork beside threads, which is what some tests are about.
            [sys.executable, "-W", "error", "-W", "ignore:This process", "-c", code],
            env=env | environ,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done

    return run
