"""Ten times more than the collector takes: is its memory bounded, does it say so, is all stored?

    python benchmarks/ingest_overload.py [--seconds 60] [--clients 40] [--quick]

Forty processes, ten times the four of `ingest_throughput.py`, each send a batch of 200 spans (2 KB
in, 2 KB out) the moment the last one was answered, and retry after Retry-After what is answered
429 or 503. Each waits for its answer, so forty clients do not fill the default queue of 50,000
rows: `--queue-rows 2000` makes it overflow. Memory is the collector's resident set, sampled ten
times a second; beside it is what a buffer without a bound would hold, computed from the rates.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import urllib.request

from ingestbench import fleet
from ingestbench.killable import Killable
from sdkbench import bench

BATCH_SPANS, SPAN_BYTES = 200, 5_000
MIB = 2**20


class Watch:
    """Samples memory and the time of `/healthz` until stopped."""

    def __init__(self, collector: Killable) -> None:
        self._collector = collector
        self._stop = threading.Event()
        self.peak = collector.memory()
        self.health: list[float] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self.health.sort()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self.peak = max(self.peak, self._collector.memory())
            began = os.times().elapsed
            with urllib.request.urlopen(f"{self._collector.url}/healthz", timeout=60):
                self.health.append(os.times().elapsed - began)


def main() -> None:
    parser = argparse.ArgumentParser(description="overload")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=40)
    parser.add_argument("--rate", type=float, default=0, help="spans/s offered; 0: no pause")
    parser.add_argument("--batches", type=int, default=0, help="of each client; 0: by the rate")
    parser.add_argument("--queue-rows", type=int, default=0, help="0: the default")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    seconds = 5 if given.quick else given.seconds
    clients = 8 if given.quick else given.clients
    batches = given.batches or max(2, int(seconds * (given.rate or 10_000) / BATCH_SPANS / clients))
    pace = given.rate / BATCH_SPANS / clients
    if given.queue_rows:
        os.environ["DRIFTLINE_QUEUE_ROWS"] = str(given.queue_rows)
    bench.say_where()
    with tempfile.TemporaryDirectory() as home:
        collector = Killable(home)
        api = collector.api("bench")
        key = api.create_key("ingest", "bench").secret
        before, watch = collector.memory(), Watch(collector)
        sent = fleet.send(collector.url, key, fleet.Load(clients, batches, BATCH_SPANS, pace))
        watch.stop()
        stored = api.overview(start="2020-01-01T00:00:00Z").events
        offered = clients * batches * BATCH_SPANS
        print(f"{clients} clients, {sent.seconds:.0f} s, {sent.spans / sent.seconds:,.0f} spans/s")
        print("| offered | acknowledged | stored | lost | answers |\n|---|---|---|---|---|")
        answers = ", ".join(f"{count} x {status}" for status, count in sent.statuses.items())
        print(f"| {offered} | {sent.spans} | {stored} | {offered - stored} | {answers} |")
        print("\n| memory before | peak | unbounded buffer would hold | /healthz p50 | p99 |")
        print("|---|---|---|---|---|")
        naive = max(0.0, offered - sent.spans / sent.seconds * seconds) * SPAN_BYTES
        p50, p99 = (watch.health[int(q * (len(watch.health) - 1))] for q in (0.5, 0.99))
        print(
            f"| {before / MIB:.0f} MiB | {watch.peak / MIB:.0f} MiB | {naive / MIB:.0f} MiB "
            f"| {1000 * p50:.0f} ms | {1000 * p99:.0f} ms |"
        )
        print(f"\nrefusals without Retry-After: {sent.without_retry_after}")
        collector.stop()
    print(f"load {os.getloadavg()[0]:.1f}; bar: peak <= 1536 MiB, lost 0")


if __name__ == "__main__":
    main()
