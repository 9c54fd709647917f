"""Real clients, unmodified, pointed at the collector by configuration only.

Each script of this folder runs in `.venv-clients` (`make clients`) as its users would write it;
OpenAI is a server on this machine that speaks its wire.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from driftline.sdk.api import Api
from driftline.sdk.records import Event, Message
from driftline.supervisor.ports import free_port

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PYTHON = ROOT / ".venv-clients" / "bin" / "python"
DEADLINE_SECONDS = 60.0
SAID = '{"text": "A change."}'  # what providers.py answers

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="`make clients` installs the clients")


@dataclass(frozen=True)
class Site:
    """A running collector and a stand-in for OpenAI."""

    url: str
    grpc_port: int
    openai_url: str
    admin: Api

    def project(self, name: str) -> tuple[Api, str, str]:
        """A project of its own, with the halves of a key that may write to it."""
        self.admin.create_project(name)
        api = self.admin.for_project(name)
        key = api.create_key("ingest")
        return api, key.public_key, key.secret


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline, pause = time.monotonic() + DEADLINE_SECONDS, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE_SECONDS:.0f} s"
        pause.wait(0.1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home, port, grpc_port = tmp_path_factory.mktemp("home"), free_port(), free_port()
    settings = {"HOME": home, "PORT": port, "OTLP_GRPC_PORT": grpc_port}
    own = {f"DRIFTLINE_{name}": str(value) for name, value in settings.items()}
    collector = [sys.executable, "-m", "driftline.collector"]
    providers = [sys.executable, str(ROOT / "tests" / "providers.py")]
    pipe = subprocess.PIPE
    with (
        (home / "log").open("wb") as log,
        subprocess.Popen(collector, env=os.environ | own, stderr=log) as serving,
        subprocess.Popen(providers, stdin=pipe, stdout=pipe, text=True) as answering,
    ):
        try:
            assert answering.stdout
            openai_url = f"{answering.stdout.readline().strip()}/v1"
            probe = Api(f"http://127.0.0.1:{port}", "", retries=0)
            wait_until(probe.ready, "the collector starts")
            admin = Api(probe.url, (home / "admin.key").read_text().strip())
            yield Site(probe.url, grpc_port, openai_url, admin)
        finally:
            serving.terminate()
            answering.terminate()


def run(site: Site, script: str, **configuration: str) -> None:
    """Run a script with nothing but its own library's variables."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DRIFTLINE_", "OTEL_"))}
    quiet = {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none", "NO_COLOR": "1"}
    base = {"OPENAI_BASE_URL": site.openai_url, "OPENAI_API_KEY": "k"}
    done = subprocess.run(
        [PYTHON, HERE / script],
        env=kept | quiet | base | configuration,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def stored(api: Api, count: int) -> list[Event]:
    """The project's events, once there are so many."""
    wait_until(lambda: len(api.events(start="2000-01-01T00:00:00Z").rows) >= count, "spans arrive")
    rows = api.events(start="2000-01-01T00:00:00Z", order="oldest").rows
    return api.event_bodies([row.id for row in rows])


def assert_chat(
    events: list[Event],
    *,
    parent: str,
    output: str = SAID,
    model: str = "gpt-x-0613",
    session: bool = True,
) -> None:
    """One call of the model, right in every field, under the span named `parent`."""
    (call,) = [event for event in events if event.kind == "llm"]
    (above,) = [event for event in events if event.name == parent]
    assert call.input == [Message("user", "What is drift?")]
    assert call.output == output
    assert call.model == model
    assert (call.usage["input"], call.usage["output"]) == (10, 4)
    assert call.trace_id == above.trace_id
    assert call.parent_id == above.span_id
    assert call.status == "ok" and call.latency_ms > 0
    if session:
        assert (call.session_id, call.user_id) == ("s1", "u1")


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_bare_opentelemetry(site: Site, protocol: str) -> None:
    api, _, secret = site.project(f"bare {protocol}")
    where = f"http://127.0.0.1:{site.grpc_port}" if protocol == "grpc" else site.url
    run(
        site,
        "bare_otel.py",
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        OTEL_EXPORTER_OTLP_ENDPOINT=where,
        OTEL_EXPORTER_OTLP_HEADERS=f"authorization=Bearer%20{secret}",
    )
    assert_chat(stored(api, 2), parent="POST /ask", output="A change.", model="gpt-x")


def test_langfuse(site: Site) -> None:
    api, public, secret = site.project("langfuse")
    keys = {"LANGFUSE_PUBLIC_KEY": public, "LANGFUSE_SECRET_KEY": secret}
    run(site, "langfuse_sdk.py", LANGFUSE_BASE_URL=site.url, LANGFUSE_HOST=site.url, **keys)
    assert_chat(stored(api, 2), parent="ask")


def test_phoenix_and_openinference(site: Site) -> None:
    api, _, secret = site.project("phoenix")
    run(
        site,
        "phoenix_otel.py",
        PHOENIX_COLLECTOR_ENDPOINT=site.url,
        PHOENIX_GRPC_PORT=str(site.grpc_port),
        PHOENIX_API_KEY=secret,
    )
    assert_chat(stored(api, 2), parent="ask")


def test_openlit(site: Site) -> None:
    api, _, secret = site.project("openlit")
    run(
        site,
        "openlit_sdk.py",
        OTEL_EXPORTER_OTLP_ENDPOINT=site.url,
        OTEL_EXPORTER_OTLP_HEADERS=f"authorization=Bearer%20{secret}",
    )
    events = stored(api, 2)
    assert_chat(events, parent="ask", session=False)
    assert {event.environment for event in events} == {"production"}


def test_traceloop(site: Site) -> None:
    api, _, secret = site.project("traceloop")
    run(
        site,
        "traceloop_sdk.py",
        TRACELOOP_BASE_URL=site.url,
        TRACELOOP_HEADERS=f"authorization=Bearer%20{secret}",
    )
    assert_chat(stored(api, 2), parent="ask.workflow")
