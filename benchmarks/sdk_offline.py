"""The collector is unreachable: how long the process takes to end, what the next start delivers.

    python benchmarks/sdk_offline.py [--calls 2000] [--repeats 3] [--quick] [--alone]

A process logs, nobody answers, it ends as processes do. Then the server is there, at the same
address, and a second process of the same contender starts, logs nothing and ends. At last,
Driftline's default durability by numbers: for how long a logged call may be in memory only, and
what is missing when processes are killed (-9) at random moments: in each, what was logged more
than 50 ms before the kill has to arrive, and nothing may arrive twice.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

from sdkbench import bench, contender

LAG = """
import time, driftline
lags = []
driftline.init(url="http://127.0.0.1:9", api_key="sk-dl-bench-secret")
text = "x" * 4096
for n in range(300):
    until = time.perf_counter() + 0.005 * (n % 7)
    while time.perf_counter() < until:
        pass  # the app computes: the scribe has to fight for the interpreter
    began = time.perf_counter()
    driftline.log(input=text)
    while driftline.stats().spooled <= n:
        pass
    lags.append(1000 * (time.perf_counter() - began))
print(*lags)
"""

LOG = """
import sys, time, driftline
driftline.init(url=sys.argv[1], api_key="sk-dl-bench-secret")
text = "x" * 4096
while True:
    driftline.log(input=text)
    print(time.monotonic(), flush=True)
    time.sleep(0.001)
"""
GRACE_SECONDS = 0.05
KILLS = 20


def outage(name: str, calls: int) -> bench.Row:
    port = bench.free_port()
    with tempfile.TemporaryDirectory() as spool:
        row = bench.run(
            name, "offline", f"http://127.0.0.1:{port}", calls, DRIFTLINE_SPOOL_DIR=spool
        )
        with bench.sink(port) as url:
            bench.run(name, "replay", url, 0, DRIFTLINE_SPOOL_DIR=spool)
            row["lost"] = calls + 1 - bench.count(url)
    return row


def lags() -> list[float]:
    """Milliseconds from the call to the write, of an app that computes all the while."""
    with tempfile.TemporaryDirectory() as spool:
        environment = {"DRIFTLINE_SPOOL_DIR": spool, "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            [sys.executable, "-c", LAG], env=environment, capture_output=True, text=True, check=True
        )
    return [float(text) for text in done.stdout.split()]


def killed(url: str, after_seconds: float, **environ: str) -> tuple[float, list[float]]:
    """When a logging process was killed, and when it had logged (monotonic seconds)."""
    command = [sys.executable, "-c", LOG, url]
    process = subprocess.Popen(command, env=os.environ | environ, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = float(process.stdout.readline())
    time.sleep(after_seconds)
    moment = time.monotonic()
    process.kill()
    logged = [first, *map(float, process.stdout.read().split("\n")[:-1])]
    process.wait()
    process.stdout.close()
    return moment, logged


def kills(times: int) -> bench.Row:
    """Kills at random moments during an outage, each followed by a start when it is over."""
    rng = random.Random(20261121)
    row = {"kills": float(times), "logged": 0.0, "missing": 0.0, "missing_old": 0.0, "twice": 0.0}
    for _ in range(times):
        port = bench.free_port()
        with tempfile.TemporaryDirectory() as spool:
            url = f"http://127.0.0.1:{port}"
            moment, logged = killed(url, rng.uniform(0.01, 0.5), DRIFTLINE_SPOOL_DIR=spool)
            with bench.sink(port) as url:
                bench.run("driftline", "replay", url, 0, DRIFTLINE_SPOOL_DIR=spool)
                arrived = bench.count(url)
        old = sum(at < moment - GRACE_SECONDS for at in logged)
        row["logged"] += len(logged)
        row["missing"] += max(0, len(logged) - arrived)
        row["missing_old"] += max(0, old - arrived)
        row["twice"] += max(0, arrived - len(logged) - 1)  # one may be logged and not printed
    return row


def main() -> None:
    given = bench.options("an unreachable collector", calls=2_000, quick_calls=200)
    names = ("driftline", *given.names)
    bench.say_where()
    results: dict[str, list[bench.Row]] = {name: [] for name in names}
    for _ in range(given.repeats):
        for name in names:
            results[name].append(outage(name, given.calls))
    rows = {name: bench.medians(of_name) for name, of_name in results.items()}
    columns = {
        "p50 µs": "p50:.1f",
        "p99": "p99:.1f",
        "exit, s": "exit_s:.1f",
        "lost after the next start": "lost:.0f",
    }
    bench.table(f"{given.calls + 1} calls, nobody answers", columns, rows)
    measured = [lag for _ in range(given.repeats) for lag in lags()]
    print(
        f"\nin memory only: p50 {statistics.median(measured):.0f} ms,"
        f" p99 {contender.at(measured, 0.99):.0f} ms, worst {max(measured):.0f} ms"
        f" of {len(measured)} calls\n"
    )
    columns = {
        "logged": "logged:.0f",
        "not delivered": "missing:.0f",
        "of those, logged over 50 ms before": "missing_old:.0f",
        "twice": "twice:.0f",
    }
    times = KILLS if given.repeats > 1 else 5
    bench.table("kill -9", columns, {f"{times} at random moments": kills(times)})
    print("\nbar: exit ≤ 2 s, 0 lost, in memory ≤ 50 ms")


if __name__ == "__main__":
    main()
