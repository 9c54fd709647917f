"""20,000 events, a worker killed -9 every 20 s, two poison events: all scored once, poison shown.

    python benchmarks/worker_faults.py [--events 20000] [--kill-seconds 20] [--workers 2] [--models]

Real workers (`driftline worker --processes 2`) against a real collector. The project chose the
metrics that need no model, or the default set with --models. The poison is a metric of another
package, found by its entry point: on one event it crashes the interpreter (a read of address 0, as
a broken C extension does), on the other it is killed (as by the kernel when memory runs out).
At the end every event must have each of its scores exactly once, and the two poison events must be
in quarantine with the reason, and nothing else.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingestbench.killable import Killable
from ingestbench.spans import Spans
from sdkbench import bench

from driftline.metrics.catalog import installed
from driftline.sdk.api import Api

BATCH, PAGE = 500, 200
POLL_SECONDS = 1.0
LEASE_SECONDS = 15.0
CRASH, KILLED = "poison: crash the interpreter", "poison: killed by the kernel"
METRIC = f"""
import ctypes, os, signal
from driftline.metrics.metric import Value, metric

@metric(name="response_bench_poison", title="Poison", formula="1", needs="response",
        low=0.0, high=1.0, lies="It kills the worker on two events.")
def poison(event):
    if event.output == {CRASH!r}:
        ctypes.string_at(0)
    if event.output == {KILLED!r}:
        os.kill(os.getpid(), signal.SIGKILL)
    return Value(1.0)
"""


@dataclasses.dataclass
class Fleet:
    """The worker processes, and how often they were killed."""

    parent: subprocess.Popen[bytes]
    kills: int = 0

    def pids(self) -> list[int]:
        path = Path(f"/proc/{self.parent.pid}/task/{self.parent.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def kill_one(self, rng: random.Random) -> None:
        found = self.pids()
        if found:
            os.kill(rng.choice(found), signal.SIGKILL)
            self.kills += 1


def install_poison(folder: Path) -> None:
    """A package with a metric, as pip would leave it."""
    (folder / "bench_poison.py").write_text(METRIC)
    about = folder / "bench_poison-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-poison\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[driftline.metrics]\nresponse_bench_poison = bench_poison:poison\n"
    )


@contextmanager
def fleet(collector: Killable, workers: int, folder: Path) -> Iterator[Fleet]:
    key = Api(collector.url, collector.admin_key).create_key("work").secret
    environment = os.environ | {
        "DRIFTLINE_API_KEY": key,
        "DRIFTLINE_URL": collector.url,
        "PYTHONPATH": str(folder),
    }
    command = [sys.executable, "-m", "driftline.metrics", "--device", "cpu", "--health-port", "0"]
    command += ["--processes", str(workers), "--lease-seconds", str(LEASE_SECONDS)]
    with (folder / "workers.log").open("wb") as log:
        parent = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield Fleet(parent)
        finally:
            parent.terminate()
            parent.wait()


def send(api: Api, count: int, rng: random.Random) -> tuple[list[str], set[str]]:
    """The ids of `count` events, and those of the two poison ones among them."""
    spans = Spans(seed=7)
    lines = [spans.one() for _ in range(count)]
    poisoned = rng.sample(lines, 2)
    for line, words in zip(poisoned, (CRASH, KILLED), strict=True):
        line["output"] = words
    for first in range(0, count, BATCH):
        result = api.send_lines(lines[first : first + BATCH])
        assert not result.rejected, result.rejected
    return [str(line["id"]) for line in lines], {str(line["id"]) for line in poisoned}


def check(api: Api, ids: list[str], poison: set[str], names: frozenset[str]) -> Counter[str]:
    """What became of the events."""
    found: Counter[str] = Counter()
    for first in range(0, len(ids), PAGE):
        page = ids[first : first + PAGE]
        scores: dict[str, Counter[str]] = {event_id: Counter() for event_id in page}
        labels = dict.fromkeys(page, "none")
        for score in api.scores_of(page):
            scores[score.event_id][score.name] += 1
            if score.name == "scored":
                labels[score.event_id] = score.label
        for event_id in page:
            whole = names <= scores[event_id].keys() and set(scores[event_id].values()) == {1}
            bad = event_id in poison
            state = labels[event_id] if bad or whole else f"{labels[event_id]}, not whole"
            found["poison " * bad + state] += 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="workers killed while they score")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--kill-seconds", type=float, default=20.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--models", action="store_true", help="the default metric set")
    parser.add_argument("--quick", action="store_true", help="600 events, a kill every 5 s")
    given = parser.parse_args()
    count, every = (600, 5.0) if given.quick else (given.events, given.kill_seconds)
    bench.say_where()
    rng, catalog = random.Random(4), installed()
    chosen = catalog.defaults if given.models else catalog.defaults & catalog.metrics.keys()
    with tempfile.TemporaryDirectory() as home:
        collector, folder = Killable(home), Path(home, "poison")
        folder.mkdir()
        install_poison(folder)
        api = collector.api("faults")
        Api(collector.url, collector.admin_key).announce_metrics(catalog.records())
        off = sorted(catalog.defaults - chosen)
        api.set_settings(dataclasses.replace(api.settings(), metrics_off=off))
        ids, poison = send(api, count, rng)
        began = killed_at = time.monotonic()
        with fleet(collector, given.workers, folder) as workers:
            while api.overview(buckets=1).pending or not api.overview(buckets=1).scored:
                time.sleep(POLL_SECONDS)
                if time.monotonic() - killed_at >= every:
                    killed_at = time.monotonic()
                    workers.kill_one(rng)
        seconds = time.monotonic() - began
        became = check(api, ids, poison, frozenset({*chosen, "scored", "response_bench_poison"}))
        shown = {q.event_id: q.reason for q in api.quarantine()}
        crashes = (folder / "workers.log").read_text(errors="replace").count("started again")
        collector.stop()
    print(
        f"{count} events, {given.workers} workers, {len(chosen)} metrics: {seconds:.0f} s, "
        f"{workers.kills} kills from outside, {crashes} restarts in all, "
        f"load {os.getloadavg()[0]:.1f}"
    )
    print("| what became of it | events |\n|---|---|")
    for words, number in sorted(became.items()):
        print(f"| {words} | {number} |")
    for event_id, reason in shown.items():
        print(f"quarantine: {event_id}: {reason}")
    right = became == {"ok": count - 2, "poison failed": 2} and shown.keys() == poison
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
