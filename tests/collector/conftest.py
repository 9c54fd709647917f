"""A real collector over a real chDB for each test that asks for one."""

from __future__ import annotations

import base64
import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import orjson
import pytest
import structlog
from starlette.testclient import TestClient

from driftline.collector.app import create_app
from driftline.collector.clickhouse import ClickHouse
from driftline.collector.clock import utc_now
from driftline.collector.migrate import migrate_clickhouse
from driftline.collector.services import Services
from driftline.collector.settings import Settings

ADMIN_KEY = "sk-dl-00000000-an-admin-key-of-the-tests-only"
DEADLINE_SECONDS = 30.0
T = TypeVar("T")


def make_uuid7(milliseconds: int | None = None) -> str:
    """A UUIDv7 (RFC 9562, 5.7) of now, or of `milliseconds` since the epoch."""
    now = time.time_ns() // 1_000_000 if milliseconds is None else milliseconds
    bits = int.from_bytes(os.urandom(10))
    low = bits & ((1 << 62) - 1)
    return str(UUID(int=now << 80 | 0x7 << 76 | (bits >> 68) << 64 | 0b10 << 62 | low))


def make_event(**fields: object) -> dict[str, Any]:
    """An event that the collector accepts, with the given fields."""
    return {"id": make_uuid7(), "start_time": time.time_ns() // 1000, **fields}


class Front:
    """The collector's front door, as the holder of a key."""

    def __init__(self, client: TestClient, key: str, project: str, project_id: str = "") -> None:
        self.client = client
        self.key = key
        self.project = project
        self.project_id = project_id

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}", "Driftline-Project": self.project}

    @property
    def services(self) -> Services:
        found: Services = self.client.app.state.services  # type: ignore[attr-defined]
        return found

    def for_project(self, name: str) -> Front:
        """The same door, on a project that is made when it is not there."""
        admin = {"Authorization": f"Bearer {ADMIN_KEY}"}
        made = self.client.post("/v1/projects", json={"name": name}, headers=admin)
        assert made.status_code == 200, made.text
        return Front(self.client, self.key, name, made.json()["id"])

    def send(self, *lines: dict[str, Any] | bytes, expect: int = 200) -> dict[str, Any]:
        """Ingest lines; raw bytes are sent as they are."""
        encoded = [x if isinstance(x, bytes) else orjson.dumps(x) for x in lines]
        return self.send_body(b"\n".join(encoded), expect=expect)

    def send_body(self, body: bytes, expect: int = 200, **headers: str) -> dict[str, Any]:
        response = self.client.post("/v1/events", content=body, headers={**self.headers, **headers})
        assert response.status_code == expect, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def get(self, path: str, expect: int = 200, **query: object) -> dict[str, Any]:
        response = self.client.get(path, params=query, headers=self.headers)  # type: ignore[arg-type]
        assert response.status_code == expect, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def post(self, path: str, body: object, expect: int = 200) -> dict[str, Any]:
        response = self.client.post(path, json=body, headers=self.headers)
        assert response.status_code == expect, response.text
        answer: dict[str, Any] = response.json() if response.content else {}
        return answer


class Clock:
    """The system's clock, which a test can put forward."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self._ahead

    def advance(self, **duration: float) -> None:
        self._ahead += timedelta(**duration)


class Worker:
    """A metric worker at the front door: leases work and hands in small, real results."""

    def __init__(self, front: Front, name: str = "w1") -> None:
        self.front = front
        self.name = name

    def lease(self, expect: int = 200, **wanted: object) -> dict[str, Any]:
        return self.front.post("/v1/work/lease", {"worker": self.name, **wanted}, expect)

    def hand_in(
        self, lease: dict[str, Any], failed: dict[str, str] | None = None, expect: int = 204
    ) -> dict[str, Any]:
        """A length and two vectors for each event of the lease."""
        ids = [event["id"] for event in lease["events"]]
        lengths = [float(len(event["output"])) for event in lease["events"]]
        body = {
            "scores": [
                {"event_id": i, "name": "response_length", "value": length}
                for i, length in zip(ids, lengths, strict=True)
            ],
            "embeddings": [
                {"event_id": i, "field": field, "model": "m", "vector": vector(length, 1.0)}
                for i, length in zip(ids, lengths, strict=True)
                for field in ("prompt", "response")
            ],
            "failed": failed or {},
        }
        return self.front.post(f"/v1/work/{lease['id']}/scores", body, expect)

    def score_all(self) -> int:
        """Score everything that waits; returns how many events that were."""
        count = 0
        while (lease := self.try_lease()) is not None:
            assert lease["kind"] == "score"
            self.hand_in(lease)
            count += len(lease["events"])
        return count

    def try_lease(self, **wanted: object) -> dict[str, Any] | None:
        body = {"worker": self.name, "max_events": 500, **wanted}
        response = self.front.client.post("/v1/work/lease", json=body, headers=self.front.headers)
        assert response.status_code in (200, 204), response.text
        return response.json() if response.content else None


def vector(*values: float) -> str:
    """Base64 of little-endian float32, as the wire wants it."""
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


def poll(ask: Callable[[], T], seconds: float = DEADLINE_SECONDS) -> T:
    """The first truthy answer of `ask`; fails when there is none before the deadline."""
    deadline = time.monotonic() + seconds
    pause = 0.005
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds} s"
        time.sleep(pause)
        pause = min(2 * pause, 0.2)
    return answer


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """Tracebacks without local variables, whose rendering takes seconds."""
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])


@pytest.fixture
def uuid7() -> Callable[..., str]:
    """Makes UUIDv7 ids."""
    return make_uuid7


@pytest.fixture
def event() -> Callable[..., dict[str, Any]]:
    """Makes events that the collector accepts."""
    return make_event


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Asks until the answer is true."""
    return poll


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a ClickHouse HTTP endpoint in a process of its own, with credentials."""
    script = Path(__file__).with_name("clickhouse_http.py")
    command = [sys.executable, str(script), str(tmp_path_factory.mktemp("server"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        assert port, "the ClickHouse endpoint did not start"
        yield f"driftline:pa%3Ass%20w%40rd@127.0.0.1:{port}"
        server.kill()


@pytest.fixture(scope="module")
def clickhouse_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An empty ClickHouse: embedded, or a database of the server for tests that run on both."""
    if getattr(request, "param", "embedded") == "embedded":
        return f"chdb://{tmp_path_factory.mktemp('chdb')}"
    address = request.getfixturevalue("clickhouse_server")
    return f"clickhouse://{address}/test_{make_uuid7().replace('-', '')}"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, clickhouse_url: str) -> Settings:
    """Settings of a collector whose databases are the module's own."""
    home = tmp_path_factory.mktemp("home")
    return Settings(home=home, clickhouse_url=clickhouse_url, admin_key=ADMIN_KEY)


@pytest.fixture(scope="module")
def clock() -> Clock:
    """The clock of the module's collector."""
    return Clock()


@pytest.fixture(scope="module")
def client(settings: Settings, clock: Clock) -> Iterator[TestClient]:
    """The running collector; errors of the server are answers, as for any client."""
    with TestClient(create_app(settings, clock), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def front(client: TestClient) -> Front:
    """The front door, as an admin of a project of the test's own."""
    return Front(client, ADMIN_KEY, "").for_project(f"shop {make_uuid7()}")


@pytest.fixture
def worker(front: Front) -> Worker:
    """A metric worker of the test's project."""
    return Worker(front)


@pytest.fixture(scope="module")
def clickhouse(clickhouse_url: str) -> Iterator[ClickHouse]:
    """A migrated, empty ClickHouse."""
    opened = ClickHouse.open(clickhouse_url)
    migrate_clickhouse(opened, utc_now)
    yield opened
    opened.close()
