"""`python -m driftline.collector`: migrate, then serve until SIGTERM or Ctrl-C, then drain."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn

from driftline.collector import logs
from driftline.collector.app import assemble, create_app, opened
from driftline.collector.auth import KeyRing
from driftline.collector.clock import utc_now
from driftline.collector.errors import CollectorError, ConfigError
from driftline.collector.otlp_grpc import GrpcDoor
from driftline.collector.services import Services
from driftline.collector.settings import Settings

DRAIN_SECONDS = 30
log = structlog.get_logger("driftline.collector")


def main() -> int:
    """Serve; 0 after a clean stop, 2 when it could not start, with the reason on stderr."""
    logs.configure()
    try:
        settings = Settings.read()
        with _listen(settings.host, settings.port) as listening:
            return _serve(settings, listening)
    except CollectorError as error:
        print(f"driftline collector: {error}", file=sys.stderr)
        return 2


def _serve(settings: Settings, listening: socket.socket) -> int:
    app = create_app(settings)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http="httptools",
            lifespan="off",  # opened here, so that what is wrong is said in one line
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    )
    with opened(settings, utc_now, app.state.meters) as services:
        assemble(app, services)
        host, port = listening.getsockname()[:2]
        log.info("collector_listening", url=f"http://{host}:{port}", home=str(settings.home))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)  # uvicorn raises them again after it drained
        with _grpc(settings, services, app.state.keyring):
            server.run(sockets=[listening])
    log.info("collector_stopped")
    return 0


@contextmanager
def _grpc(settings: Settings, services: Services, ring: KeyRing) -> Iterator[None]:
    """OTLP over gRPC during the block, where it is switched on. Raises ConfigError."""
    if settings.otlp_grpc_port < 0:
        yield
        return
    door = GrpcDoor(services, ring, settings.host, settings.otlp_grpc_port)
    log.info("otlp_grpc_listening", host=settings.host, port=door.port)
    try:
        yield
    finally:
        door.close()


def _listen(host: str, port: int) -> socket.socket:
    """The socket to serve on, taken before any database is touched. Raises ConfigError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        taken.listen()
    except OSError as error:
        taken.close()
        raise ConfigError(
            f"cannot listen on {host}:{port} ({error.strerror}): stop what uses the port, or set "
            "DRIFTLINE_PORT to a free one"
        ) from None
    return taken


if __name__ == "__main__":
    raise SystemExit(main())
