"""A backfill over a Ray cluster: each actor of Ray Data is a metric worker.

The rows of the data set are tickets, one for each lease that is to be expected. An actor answers a
ticket by one lease: it takes events from the collector over HTTP, scores them and hands them in. So
exactly-once stays with the collector: a ticket that Ray runs again after an actor died finds what
is left, and a ticket too many finds nothing. Ray is an extra: pip install 'driftline[ray]'.
"""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from driftline.sdk.errors import ConfigError

if TYPE_CHECKING:
    from .worker import Worker

MAX_BLOCKS = 1000
SPARE = 1.25  # tickets above those that full leases would need: events tried before go alone


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where and how much: `address` "" is a Ray of this process; GPUs are by worker."""

    address: str = ""
    workers: int = 1
    cpus: float = 1.0
    gpus: float = 0.0


@dataclass(frozen=True, slots=True)
class Source:
    """The collector as a worker sees it, and the options of `driftline worker` that matter."""

    url: str
    key: str
    project: str
    max_events: int = 16
    arguments: tuple[str, ...] = ()


class Leases:
    """A worker in a Ray actor; its models are loaded once."""

    def __init__(self, source: Source) -> None:
        self._worker = _worker(source)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """One lease for each ticket: column `id` in, column `events` (how many it had) out."""
        import numpy as np

        return {"events": np.array([self._worker.one() for _ in batch["id"]], dtype=np.int64)}


def backfill(source: Source, cluster: Cluster, events: int) -> Iterator[int]:
    """Lease `events` events' worth of work; yields how many each finished ticket had.

    Raises ConfigError without Ray; what an actor raises, Ray raises here.
    """
    try:
        import ray
    except ImportError:
        raise ConfigError("--engine ray needs Ray: pip install 'driftline[ray]'") from None
    began = not ray.is_initialized()
    if began:
        ray.init(address=cluster.address or "local", include_dashboard=False, log_to_driver=False)
    tickets = math.ceil(SPARE * events / source.max_events) + cluster.workers
    # Small blocks: what Ray runs again costs few leases, and the progress is seen.
    data = ray.data.range(tickets, override_num_blocks=min(tickets, MAX_BLOCKS))
    done = data.map_batches(
        Leases,
        fn_constructor_args=(source,),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=cluster.workers),
        num_cpus=cluster.cpus,
        num_gpus=cluster.gpus,
    )
    try:
        for row in done.iter_rows():
            yield int(row["events"])
    finally:
        if began:
            ray.shutdown()


def _worker(source: Source) -> Worker:
    import threading

    from .__main__ import assemble, configure_logging, parser
    from .device import quiet_threads
    from .meters import Meters

    configure_logging()
    os.environ.update(quiet_threads(os.environ))
    name = f"ray-{socket.gethostname()}-{os.getpid()}"
    words = ["--url", source.url, "--key", source.key, "--project", source.project, "--name", name]
    words += ["--max-events", str(source.max_events), *source.arguments]
    worker = assemble(parser().parse_args(words), Meters(), threading.Event())
    worker.beat()
    return worker
