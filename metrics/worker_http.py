"""The worker's own small HTTP server: /healthz, /readyz and /metrics."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import ClassVar

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from driftline.sdk.errors import ConfigError

READ_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the worker can take work now, and why not."""

    ready: bool
    words: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content_type: str
    body: bytes


def answer(path: str, health: Health, registry: CollectorRegistry) -> Answer:
    """The answer to GET `path`."""
    if path == "/healthz":
        return _json(200, "ok")
    if path == "/readyz":
        return _json(200 if health.ready else 503, health.words)
    if path == "/metrics":
        return Answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
    return _json(404, "there are /healthz, /readyz and /metrics")


def _json(status: int, words: str) -> Answer:
    return Answer(status, "application/json", json.dumps({"status": words}).encode())


class HealthServer:
    """A context in which `host`:`port` answers; port 0 takes a free one, see `port`."""

    def __init__(
        self, host: str, port: int, health: Callable[[], Health], registry: CollectorRegistry
    ) -> None:
        handler = type("Bound", (_Handler,), {"health": staticmethod(health), "registry": registry})
        try:
            self._server = _Server((host, port), handler)
        except OSError as error:
            raise ConfigError(
                f"{host}:{port} cannot be listened on ({error.strerror}); "
                "choose another with --health-port"
            ) from error
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="health", daemon=True
        )

    def __enter__(self) -> HealthServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


class _Handler(BaseHTTPRequestHandler):
    timeout = READ_SECONDS
    health: ClassVar[Callable[[], Health]]
    registry: ClassVar[CollectorRegistry]

    def do_GET(self) -> None:
        found = answer(self.path.partition("?")[0], type(self).health(), self.registry)
        self.send_response(found.status)
        self.send_header("Content-Type", found.content_type)
        self.send_header("Content-Length", str(len(found.body)))
        self.end_headers()
        self.wfile.write(found.body)

    def log_message(self, format: str, *args: object) -> None:
        """Probes every few seconds are not news."""
