"""/healthz, /readyz and /metrics of the trainer, for supervisors and Prometheus."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from driftline.sdk.errors import ConfigError
from driftline.sdk.records import LossPoint

Ready = Callable[[], bool]


class Telemetry:
    """What the trainer counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.jobs = Counter(
            "driftline_trainer_jobs",
            "Jobs that ended here, by how.",
            ["outcome"],
            registry=self.registry,
        )
        self.running = Gauge(
            "driftline_trainer_running", "1 while a job runs.", registry=self.registry
        )
        self.losses = Counter(
            "driftline_trainer_loss_points",
            "Steps and validations measured.",
            ["phase", "split"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "driftline_trainer_job_seconds",
            "Wall time of a job here.",
            buckets=(10, 30, 60, 120, 300, 900, 3600, 14400),
            registry=self.registry,
        )

    def count_loss(self, point: LossPoint) -> None:
        self.losses.labels(point.phase, point.split).inc()


class HealthServer:
    """The three pages on `host:port`; use as a context manager. Port 0 takes a free one."""

    def __init__(self, host: str, port: int, telemetry: Telemetry, ready: Ready) -> None:
        try:
            self._server = ThreadingHTTPServer((host, port), _handler(telemetry, ready))
        except OSError as error:
            raise ConfigError(
                f"cannot serve health on {host}:{port}: {error}. Choose another --health-port."
            ) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

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
        self._thread.join()
        self._server.server_close()


def _handler(telemetry: Telemetry, ready: Ready) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            pages: dict[str, Callable[[], tuple[int, str, bytes]]] = {
                "/healthz": lambda: (200, "text/plain", b"ok\n"),
                "/readyz": self._ready,
                "/metrics": lambda: (
                    200,
                    CONTENT_TYPE_LATEST,
                    generate_latest(telemetry.registry),
                ),
            }
            page = pages.get(self.path.partition("?")[0])
            status, kind, body = page() if page else (404, "text/plain", b"not found\n")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _ready(self) -> tuple[int, str, bytes]:
            if ready():
                return 200, "text/plain", b"ready\n"
            return 503, "text/plain", b"the collector does not answer\n"

        def log_message(self, format: str, *args: object) -> None:
            """Probes come every second; nobody reads them."""

    return Handler
