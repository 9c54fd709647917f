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
from types import FrameType

import structlog

from driftline.metrics.device import pick_device, quiet_threads, usable_cores
from driftline.metrics.models import resolve
from driftline.metrics.worker_http import Health, HealthServer
from driftline.sdk.api import Api
from driftline.sdk.errors import ApiError, DriftlineError

from .settings import TrainerSettings, parse
from .telemetry import Telemetry

EXIT_CONFIG = 2
EXIT_COLLECTOR = 1
PROBE_SECONDS = 2.0

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
    stop = stop_on_signals()
    telemetry, api = Telemetry(), Api(settings.url, settings.key)
    probe = Api(settings.url, settings.key, timeout_seconds=PROBE_SECONDS, retries=0)
    host, port = settings.health_host, settings.health_port
    with HealthServer(host, port, lambda: health(probe), telemetry.registry) as server:
        log.info("trainer started", executor=settings.executor, url=settings.url, port=server.port)
        run(settings, api, telemetry, stop)
    log.info("trainer stopped")
    return 0


def health(probe: Api) -> Health:
    """A trainer can take jobs when the collector can give them."""
    ready = probe.ready()
    return Health(ready, "ready" if ready else f"no collector is ready at {probe.url}")


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set; the second of them ends the process at once."""
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop


def run(settings: TrainerSettings, api: Api, telemetry: Telemetry, stop: threading.Event) -> None:
    """Load the heavy libraries and work."""
    os.environ.update(quiet_threads(os.environ))  # before torch is imported
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import peft  # noqa: F401  # with transformers: 5 s that the first job need not wait for
    import torch

    from driftline.metrics.cores import Cores, usage

    from .job import Workshop
    from .trainer import Trainer

    shop = Workshop(
        api=api,
        resolve=resolve,
        device=pick_device(settings.device),
        jobs=settings.jobs,
        registry=settings.registry,
        cores=Cores(settings.threads, usable_cores(), torch.set_num_threads, usage),
        telemetry=telemetry,
        clock=time.monotonic,
        now=lambda: datetime.now(UTC).isoformat(),
    )
    trainer = Trainer(
        shop,
        settings.executor,
        stop,
        poll_seconds=settings.poll_seconds,
        lease_seconds=settings.lease_seconds,
    )
    if settings.once:
        trainer.once()
    else:
        trainer.forever()


def configure_logs() -> None:
    """Lines for a person on a terminal, JSON otherwise; to standard error."""
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
