"""A burst of 20,000 spans of 2 KB + 2 KB, default configuration: who delivers all, and how fast.

    python benchmarks/sdk_burst.py [--calls 20000] [--repeats 3] [--quick] [--alone]

All contenders send to a counting HTTP sink; Driftline also to a real collector, whose
acknowledgement means that the events are in ClickHouse. Seconds are from the first call to the end
of flush; memory is the peak above that before the burst. All texts are different.
"""

from __future__ import annotations

import tempfile

from sdkbench import bench, contender

REAL = "driftline → collector"


def burst(name: str, calls: int) -> bench.Row:
    with tempfile.TemporaryDirectory() as spool:
        if name == REAL:
            with bench.collector() as real:
                keys = {"BENCH_KEY": real.key, "DRIFTLINE_SPOOL_DIR": spool}
                row = bench.run("driftline", "burst", real.url, calls, **keys)
                row["delivered"] = real.stored() - contender.WARM_CALLS
            return row
        with bench.sink() as url:
            row = bench.run(name, "burst", url, calls, DRIFTLINE_SPOOL_DIR=spool)
            row["delivered"] = bench.count(url) - contender.WARM_CALLS
    return row


def main() -> None:
    given = bench.options("a burst of spans", calls=20_000, quick_calls=1_000)
    names = (REAL, "driftline", *given.names)
    bench.say_where()
    results: dict[str, list[bench.Row]] = {name: [] for name in names}
    for _ in range(given.repeats):
        for name in names:
            results[name].append(burst(name, given.calls))
    columns = {
        "delivered": "delivered:.0f",
        "calls, s": "calling_s:.2f",
        "until flushed, s": "until_flushed_s:.2f",
        "memory, MB": "rss_mb:+.0f",
        "p50 µs": "p50:.1f",
        "p99": "p99:.1f",
    }
    rows = {name: bench.medians(of_name) for name, of_name in results.items()}
    bench.table(f"{given.calls} spans", columns, rows)
    print("\nbar: all delivered, ≤ 5 s, ≤ +60 MB")


if __name__ == "__main__":
    main()
