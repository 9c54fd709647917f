"""What one logged call costs the app: 2 KB in, 2 KB out, to a local collector that counts.

    python benchmarks/sdk_overhead.py [--calls 20000]

Measures `@driftline.observe` around an empty function in three ways: paced (a call every 2 ms, as
in an app), in a burst (as fast as it goes), and in a burst while the collector is down. The sink
runs in a process of its own. The overhead is the observed call's time less the bare call's.
"""

from __future__ import annotations

import argparse
import gzip
import multiprocessing
import multiprocessing.connection
import os
import platform
import resource
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import driftline

PROMPT = "p" * 2048
ANSWER = "a" * 2048
PACE_SECONDS = 0.002
TARGET_P50_US, TARGET_P99_US = 25.0, 300.0


def serve(pipe: multiprocessing.connection.Connection) -> None:
    """The sink: sends its port, then, at the end, how many events it got."""
    counted = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            nonlocal counted
            body = self.rfile.read(int(self.headers["Content-Length"]))
            counted += gzip.decompress(body).count(b'"type":"event"')
            self.send_response(200)
            answer = b'{"accepted":0,"duplicates":0,"rejected":[],"warnings":[]}'
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.timeout = 0.1
    pipe.send(server.server_address[1])
    while not pipe.poll():
        server.handle_request()
    pipe.send(counted)


def bare(prompt: str) -> str:
    return ANSWER


@driftline.observe
def observed(prompt: str) -> str:
    return ANSWER


def timed(call: Callable[[str], str], calls: int, pace: float) -> list[float]:
    """Microseconds of each call, sorted."""
    took = []
    for _ in range(calls):
        began = time.perf_counter_ns()
        call(PROMPT)
        took.append((time.perf_counter_ns() - began) / 1000)
        if pace:
            time.sleep(pace)
    return sorted(took)


def at(sorted_values: list[float], share: float) -> float:
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


def row(name: str, calls: int, pace: float, url: str) -> str:
    driftline.init(url=url, api_key="sk-dl-benchmark")
    observed(PROMPT)
    took = timed(observed, calls, pace)
    began = time.perf_counter()
    driftline.flush(30.0 if pace or "down" not in name else 0.0)
    drained = time.perf_counter() - began
    stats = driftline.stats()
    lost = sum(stats.lost.values())
    began = time.perf_counter()
    driftline.shutdown(2.0)
    closed = time.perf_counter() - began
    return (
        f"{name:22} {calls:7} {at(took, 0.5):8.1f} {at(took, 0.95):8.1f} {at(took, 0.99):8.1f}"
        f" {stats.accepted:9} {lost:6} {drained:8.2f} {closed:8.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=20_000)
    calls = parser.parse_args().calls
    ours, theirs = multiprocessing.Pipe()
    sink = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    sink.start()
    url = f"http://127.0.0.1:{ours.recv()}"
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]}")
    print(
        "µs a call              calls      p50      p95      p99  accepted   lost  drain s  close s"
    )
    nothing = timed(bare, calls, 0.0)
    print(f"{'bare call':22} {calls:7} {at(nothing, 0.5):8.1f} {at(nothing, 0.95):8.1f}"
          f" {at(nothing, 0.99):8.1f}")  # fmt: skip
    print(row("paced, every 2 ms", min(calls, 3_000), PACE_SECONDS, url))
    print(row("burst", calls, 0.0, url))
    print(row("burst, collector down", calls, 0.0, "http://127.0.0.1:9"))
    ours.send(None)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"events that reached the sink: {ours.recv()}; peak memory {rss:.0f} MB")
    print(
        f"target: p50 <= {TARGET_P50_US:.0f} µs, p99 <= {TARGET_P99_US:.0f} µs on an idle machine"
    )


if __name__ == "__main__":
    main()
