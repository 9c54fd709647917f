"""Starts the senders together and adds up what they report."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

SENDER = Path(__file__).with_name("sender.py")


@dataclass(frozen=True)
class Load:
    """What to send: by how many processes, how many batches each, how fast each."""

    clients: int
    batches: int
    batch_spans: int
    batches_per_second: float = 0.0


@dataclass(frozen=True)
class Sent:
    """What came of it. Latencies in seconds, sorted."""

    spans: int
    seconds: float
    client_cpu_seconds: float
    statuses: Counter[str]
    without_retry_after: int
    latencies: list[float]

    def quantile(self, q: float) -> float:
        return self.latencies[min(len(self.latencies) - 1, int(q * len(self.latencies)))]


def send(url: str, key: str, load: Load, meanwhile: Callable[[], None] = lambda: None) -> Sent:
    """Run the senders to their end; `meanwhile` is called once, after they started to send."""
    where = urlsplit(url)
    command = [sys.executable, str(SENDER), str(where.hostname), str(where.port), key]
    numbers = (load.batches, load.batch_spans, load.batches_per_second)
    senders = [
        subprocess.Popen(
            [*command, *map(str, numbers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(load.clients)
    ]
    for sender in senders:
        assert sender.stdout is not None
        sender.stdout.readline()
    for sender in senders:
        assert sender.stdin is not None
        sender.stdin.write("go\n")
        sender.stdin.flush()
    meanwhile()
    reports = [json.loads(sender.communicate()[0]) for sender in senders]
    return Sent(
        spans=sum(report["accepted"] for report in reports),
        seconds=max(report["seconds"] for report in reports),
        client_cpu_seconds=sum(report["cpu"] for report in reports),
        statuses=sum((Counter(report["statuses"]) for report in reports), Counter()),
        without_retry_after=sum(report["without_retry_after"] for report in reports),
        latencies=sorted(value for report in reports for value in report["latencies"]),
    )
