"""Durable ingest through HTTP: spans a second, acknowledgement latency, and the engine alone.

    python benchmarks/ingest_throughput.py [--batches 120] [--repeats 3] [--quick]

Four client processes send gzip batches of 200 spans (2 KB in, 2 KB out) that were encoded before;
an acknowledged span is in ClickHouse, flushed to disk, and counted there at the end. The bar's
share is of `raw_insert` of the same rows into the same engine in the same run. Latency is measured
at half the throughput just seen, from the moment a batch was due.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

from ingestbench import fleet
from sdkbench import bench

CLIENTS, BATCH_SPANS = 4, 200
BARE = str(fleet.SENDER.with_name("bare.py"))


def bare(rows: int, size: int) -> float:
    done = subprocess.run(
        [sys.executable, BARE, str(rows), str(size)], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def once(batches: int) -> bench.Row:
    with bench.collector() as real:
        full = fleet.send(real.url, real.key, fleet.Load(CLIENTS, batches, BATCH_SPANS))
        rate = full.spans / full.seconds
        pace = rate / 2 / BATCH_SPANS / CLIENTS
        half = fleet.Load(CLIENTS, max(10, batches // 2), BATCH_SPANS, pace)
        calm = fleet.send(real.url, real.key, half)
        stored = real.stored()
        assert stored == full.spans + calm.spans, (stored, full.spans, calm.spans)
    rows = 4000
    return {
        "spans_s": rate,
        "client_cores": full.client_cpu_seconds / full.seconds,
        "p50": 1000 * full.quantile(0.5),
        "p99": 1000 * full.quantile(0.99),
        "bare": bare(rows * 5, rows),
        "half_p50": 1000 * calm.quantile(0.5),
        "half_p99": 1000 * calm.quantile(0.99),
        "load": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="durable ingest")
    parser.add_argument("--batches", type=int, default=120, help="of each client")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a smoke run: few batches, once")
    given = parser.parse_args()
    batches, repeats = (10, 1) if given.quick else (given.batches, given.repeats)
    bench.say_where()
    runs = [once(batches) for _ in range(repeats)]
    columns = {
        "spans/s": "spans_s:,.0f",
        "bare raw_insert, rows/s": "bare:,.0f",
        "share": "share:.0%",
        "p50 ms": "p50:.0f",
        "p99 ms": "p99:.0f",
        "at half load: p50 ms": "half_p50:.0f",
        "p99 ms ": "half_p99:.0f",
        "clients' cores": "client_cores:.2f",
        "load average": "load:.1f",
    }
    rows = {f"run {number}": run for number, run in enumerate(runs, 1)}
    rows["median"] = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    for row in rows.values():
        row["share"] = row["spans_s"] / row["bare"]
    bench.table("durable ingest", columns, rows)
    print("\nbar: >= 10,000 spans/s, share >= 35 %; p99 <= 250 ms at half that load")


if __name__ == "__main__":
    main()
