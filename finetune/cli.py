"""The trainer's process: settings, logs, signals, health; here its parts are joined."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from driftline.sdk.api import Api
from driftline.sdk.errors import ApiError, DriftlineError

from .health import HealthServer, Telemetry
from .settings import TrainerSettings, parse

EXIT_CONFIG = 2
EXIT_COLLECTOR = 1

log = structlog.get_logger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trainer; 0 after a clean stop, 1 if the collector refuses us, 2 for bad settings."""
    configure_logs()
    try:
        settings = parse(sys.argv[1:] if arguments is None else arguments, os.environ)
        return serve(settings)
    except ApiError as error:
        log.error("the collector refuses this trainer", error=str(error))
        return EXIT_COLLECTOR
    except DriftlineError as error:
        log.error("cannot start", error=str(error))
        return EXIT_CONFIG


def serve(settings: TrainerSettings) -> int:
    """Everything from here to the stop signal."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    telemetry, api = Telemetry(), Api(settings.url, settings.key)
    probe = Api(settings.url, settings.key, timeout_seconds=2.0, retries=0)
    server = HealthServer(settings.health_host, settings.health_port, telemetry, probe.ready)
    with server:
        log.info("trainer started", executor=settings.executor, url=settings.url, port=server.port)
        run(settings, api, telemetry, stop)
    log.info("trainer stopped")
    return 0


def run(settings: TrainerSettings, api: Api, telemetry: Telemetry, stop: threading.Event) -> None:
    """Load the heavy libraries and work."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch

    from driftline.metrics.models import resolve

    from .candidate import pick_device
    from .cores import Cores, available_cores, usage
    from .job import Workshop
    from .trainer import Trainer

    shop = Workshop(
        api=api,
        resolve=resolve,
        device=pick_device(settings.device),
        jobs=settings.jobs,
        registry=settings.registry,
        cores=Cores(settings.threads, available_cores(), torch.set_num_threads, usage),
        telemetry=telemetry,
        clock=time.monotonic,
        now=lambda: datetime.now(UTC).isoformat(),
    )
    trainer = Trainer(shop, settings.executor, stop, settings.poll_seconds)
    if settings.once:
        trainer.once()
    else:
        trainer.forever()


def configure_logs() -> None:
    """JSON lines on standard error, or coloured text on a terminal."""
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if terminal else [structlog.processors.format_exc_info]),
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
