"""The trainer's settings, read once from flags and environment."""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from driftline.sdk.errors import ConfigError

DEFAULT_URL = "http://127.0.0.1:8400"
DEFAULT_HOME = "./.driftline"
HEALTH_PORT = 8403
POLL_SECONDS = 2.0
LEASE_SECONDS = 60.0
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, slots=True)
class TrainerSettings:
    """`threads` 0 follows the load; `once` ends after one job, or at once when there is none."""

    url: str
    key: str
    home: Path
    registry: Path
    device: str
    threads: int
    once: bool
    executor: str
    health_host: str
    health_port: int
    poll_seconds: float
    lease_seconds: float

    @property
    def jobs(self) -> Path:
        return self.home / "jobs"


def parse(arguments: Sequence[str], environ: Mapping[str, str]) -> TrainerSettings:
    """Flags win over the environment. Raises ConfigError when the key is missing."""
    options = _parser(environ).parse_args(arguments)
    if not options.key:
        raise ConfigError(
            "no API key: pass --key or set DRIFTLINE_API_KEY to a key of scope `work` "
            "(driftline keys create --scope work)"
        )
    home = Path(options.home)
    registry = environ.get("DRIFTLINE_REGISTRY", "")
    return TrainerSettings(
        url=options.url,
        key=options.key,
        home=home,
        registry=Path(registry) if registry else home / "registry",
        device=options.device,
        threads=options.threads,
        once=options.once,
        executor=options.name or f"{socket.gethostname()}-{os.getpid()}",
        health_host=options.health_host,
        health_port=options.health_port,
        poll_seconds=POLL_SECONDS,
        lease_seconds=options.lease_seconds,
    )


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="driftline trainer",
        description="Lease fine-tuning jobs from the collector, run them, register the results.",
        epilog="Docs: docs/finetune.md. Results go to $DRIFTLINE_REGISTRY (default HOME/registry).",
    )
    add = parser.add_argument
    add("--url", default=environ.get("DRIFTLINE_URL", DEFAULT_URL), help="the collector")
    add("--key", default=environ.get("DRIFTLINE_API_KEY", ""), help="a key of scope `work`")
    add("--home", default=environ.get("DRIFTLINE_HOME", DEFAULT_HOME), help="data directory")
    add("--device", choices=DEVICES, default="auto", help="where to train (default: auto)")
    add("--threads", type=int, default=0, help="CPU threads; 0 (default) follows the load")
    add("--once", action="store_true", help="end after one job, or when there is none")
    add("--name", default="", help="this executor's name (default: host-pid)")
    add("--lease-seconds", type=float, default=LEASE_SECONDS, help="renewed while working")
    add("--health-host", default="127.0.0.1", help="where /healthz listens")
    add("--health-port", type=int, default=HEALTH_PORT, help=f"its port (default {HEALTH_PORT})")
    return parser
