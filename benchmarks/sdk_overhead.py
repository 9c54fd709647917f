"""What one logged call costs the app: 2 KB in, 2 KB out, beside the peers, in the same run.

    python benchmarks/sdk_overhead.py [--calls 20000] [--repeats 3] [--quick] [--alone]

Each contender runs in processes of its own: a call every 2 ms, as in an app (caches are cold), and
a burst, as fast as it goes. All send to one counting HTTP sink. Repeats take turns; medians are
printed, and how many times cheaper Driftline is. Peers are installed into benchmarks/.peers.
"""

from __future__ import annotations

import tempfile

from sdkbench import bench, contender

PACED_CALLS = 1_500
BAR_P50_US, BAR_P99_US = 15.0, 200.0


def main() -> None:
    given = bench.options("cost of a logged call", calls=20_000, quick_calls=1_000)
    names = ("driftline", *given.names)
    bench.say_where()
    nothing = contender.timed(contender.bare, 20_000, 0)
    print(f"a bare call: p50 {contender.at(nothing, 0.5):.1f} µs")
    for mode, calls in (("paced", min(given.calls, PACED_CALLS)), ("burst", given.calls)):
        results: dict[str, list[bench.Row]] = {name: [] for name in names}
        for _ in range(given.repeats):
            for name in names:
                with tempfile.TemporaryDirectory() as spool, bench.sink() as url:
                    row = bench.run(name, mode, url, calls, DRIFTLINE_SPOOL_DIR=spool)
                results[name].append(row)
        rows = {name: bench.medians(of_name) for name, of_name in results.items()}
        for row in rows.values():
            row["ratio"] = row["p50"] / rows["driftline"]["p50"]
        columns = {
            "p50 µs": "p50:.1f",
            "p95": "p95:.1f",
            "p99": "p99:.1f",
            "p99.9": "p99.9:.0f",
            "p50, times ours": "ratio:.1f",
        }
        print()
        bench.table(f"{mode}, {calls} calls", columns, rows)
    print(f"\nbar: p50 ≤ {BAR_P50_US:.0f} µs, p99 ≤ {BAR_P99_US:.0f} µs")


if __name__ == "__main__":
    main()
