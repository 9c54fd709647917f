"""`python -m driftline.metrics`: the metric worker. docs/worker.md says how to run it."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING

from driftline.metrics import device as machine
from driftline.metrics import models
from driftline.sdk.errors import AuthError, ConfigError, DriftlineError

if TYPE_CHECKING:
    from driftline.metrics.models import ResolvedModel
    from driftline.metrics.scoring import EventScorer

EMBEDDING_MODEL = "all-MiniLM-L6-v2"  # how embeddings of the default embedder are labelled
DESCRIPTION = """\
Leases events from the collector, computes their metrics and hands the results in. Any number of
workers may run, on any machine that reaches the collector; start as many as you like, stop them as
you like: unfinished work is leased again."""
EPILOG = """\
The key needs the scope `work`: driftline keys create --scope work. Give it in DRIFTLINE_API_KEY
rather than on the command line, where other users of the machine see it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the worker until a signal stops it; returns the exit status."""
    options = parser().parse_args(arguments)
    configure_logging()
    os.environ.update(machine.quiet_threads(os.environ))  # before torch is imported
    try:
        run(options)
    except AuthError as error:
        return _fail(f"{error} (the worker's key needs the scope `work`: DRIFTLINE_API_KEY)")
    except DriftlineError as error:
        return _fail(str(error))
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser("driftline worker", description=DESCRIPTION, epilog=EPILOG)
    env = os.environ.get
    add = made.add_argument
    add("--url", default=env("DRIFTLINE_URL", "http://127.0.0.1:8400"), help="the collector")
    add("--key", default=env("DRIFTLINE_API_KEY", ""), help="a `work` key (DRIFTLINE_API_KEY)")
    add("--project", default="", help="only this project (default: all that the key may)")
    add("--device", default="auto", choices=["auto", "cuda", "cpu"], help="for the models")
    add("--threads", type=int, default=0, help="CPU threads; 0 (default) follows the load")
    add("--scorer", default=models.SMOLLM2, help="causal model for perplexity (%(default)s)")
    add("--embedder", default=models.MINILM, help="sentence embedder (%(default)s)")
    add("--max-events", type=int, default=16, help="events a lease (%(default)s)")
    add("--lease-seconds", type=float, default=60.0, help="renewed while working (%(default)s)")
    add("--name", default=f"{socket.gethostname()}-{os.getpid()}", help="in the collector's logs")
    add("--once", action="store_true", help="exit when no work is left")
    add("--health-host", default="127.0.0.1", help="where /healthz listens (%(default)s)")
    add("--health-port", type=int, default=8402, help="0: any free one (%(default)s)")
    return made


def run(options: argparse.Namespace) -> None:
    """Health server first, then the models' files, then work."""
    from driftline.metrics.meters import Meters
    from driftline.metrics.worker import Worker, WorkerSettings
    from driftline.metrics.worker_http import HealthServer
    from driftline.sdk.api import Api

    if not options.key:
        raise ConfigError("no key: set DRIFTLINE_API_KEY to a key with the scope `work`")
    stop = _stop_on_signals()
    meters = Meters()
    settings = WorkerSettings(options.name, options.max_events, options.lease_seconds, options.once)
    api = Api(options.url, options.key, project=options.project)
    found: list[ResolvedModel] = []
    worker = Worker(api, lambda: load_scorer(options, found), settings, meters, stop=stop)
    host, port = options.health_host, options.health_port
    with HealthServer(host, port, lambda: worker.health, meters.registry) as server:
        _log("worker started", port=server.port, url=options.url, name=options.name)
        # Before the first lease: a missing model is nobody's event's fault.
        found += [models.resolve(ref, _log) for ref in (options.scorer, options.embedder)]
        worker.run()
    _log("worker stopped")


def load_scorer(options: argparse.Namespace, found: Sequence[ResolvedModel]) -> EventScorer:
    """The models in memory, on the chosen device."""
    import torch

    from driftline.metrics.cores import Cores, usage
    from driftline.metrics.embeddings import Embedder
    from driftline.metrics.hallucination import load_detector
    from driftline.metrics.perplexity import PerplexityScorer
    from driftline.metrics.scoring import EventScorer

    load_detector()
    device = machine.pick_device(options.device)
    dtype = machine.pick_dtype(device, machine.cpu_flags())
    cores = Cores(options.threads, machine.usable_cores(), torch.set_num_threads, usage)
    scorer, embedder = found
    label = EMBEDDING_MODEL if embedder.ref == models.MINILM else embedder.label
    loaded = EventScorer(
        PerplexityScorer.load(scorer, device, dtype),
        Embedder.load(embedder, device, label),
        adjust=cores.adjust,
    )
    _log("models loaded", device=device, dtype=str(dtype), scorer=scorer.label)
    return loaded


def configure_logging() -> None:
    """Lines for a person on a terminal, JSON otherwise; of the libraries only warnings."""
    import structlog

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set; the second of them ends the process at once."""
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop


def _log(message: str, **facts: str | int) -> None:
    import structlog

    structlog.get_logger("driftline.worker").info(message, **facts)


def _fail(message: str) -> int:
    import structlog

    structlog.get_logger("driftline.worker").error(message)
    return 1


if __name__ == "__main__":
    sys.exit(main())
