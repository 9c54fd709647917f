"""The parent of the runs: environments, the sink, a real collector, repeats, medians, a table."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PEERS = HERE.parent / ".peers" / "venv"
PACKAGES = [
    "opentelemetry-sdk==1.45.2",
    "opentelemetry-exporter-otlp-proto-http==1.45.2",
    "langfuse==5.0.4",
    "arize-phoenix-otel==0.17.2",
    "opik==2.2.122",
]
PEER_NAMES = ("opentelemetry", "phoenix", "langfuse", "opik")
RUN_SECONDS = 400

Row = dict[str, float]


@dataclass(frozen=True)
class Options:
    calls: int
    repeats: int
    names: tuple[str, ...]


def options(description: str, *, calls: int, quick_calls: int) -> Options:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--calls", type=int, default=calls)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a smoke run: few calls, once")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    given = parser.parse_args()
    names = () if given.alone else PEER_NAMES
    if given.quick:
        return Options(quick_calls, 1, names)
    return Options(given.calls, given.repeats, names)


def peers_python() -> str:
    """The interpreter of the peers' own environment; makes it the first time (a minute or two)."""
    python = PEERS / "bin" / "python"
    stamp = PEERS / "installed.txt"
    if not stamp.exists() or stamp.read_text() != "\n".join(PACKAGES):
        print(f"installing the peers into {PEERS}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *PACKAGES], check=True)
        stamp.write_text("\n".join(PACKAGES))
    return str(python)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def sink(port: int = 0) -> Iterator[str]:
    """The counting server; its URL."""
    command = [sys.executable, str(HERE / "sink.py"), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def count(url: str) -> int:
    """How many spans the sink got."""
    with urllib.request.urlopen(f"{url}/count", timeout=30) as answer:
        return int(json.load(answer)["count"])


@dataclass(frozen=True)
class Collector:
    """A running collector: its URL, an ingest key, and how many events it stored."""

    url: str
    key: str
    admin_key: str

    def stored(self) -> int:
        from driftline.sdk.api import Api

        api = Api(self.url, self.admin_key).for_project("bench")
        return api.overview(start="2020-01-01T00:00:00Z").events


@contextlib.contextmanager
def collector() -> Iterator[Collector]:
    """A collector of ours with its embedded ClickHouse, in a temporary folder."""
    from driftline.sdk.api import Api

    with tempfile.TemporaryDirectory() as home:
        port = free_port()
        environment = os.environ | {"DRIFTLINE_HOME": home, "DRIFTLINE_PORT": str(port)}
        with open(f"{home}/log", "w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "driftline.collector"],
                env=environment,
                stdout=log,
                stderr=log,
            )
        try:
            url = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 120
            while not Api(url, "", retries=0).ready():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(Path(f"{home}/log").read_text()[-2000:])
                time.sleep(0.1)
            admin_key = Path(f"{home}/admin.key").read_text().strip()
            admin = Api(url, admin_key)
            admin.create_project("bench")
            key = admin.for_project("bench").create_key("ingest", "bench").secret
            yield Collector(url, key, admin_key)
        finally:
            process.terminate()
            process.wait()


def run(name: str, mode: str, url: str, calls: int, **environ: str) -> Row:
    """One process of a contender. Adds exit_s: from its last call or flush to its end."""
    python = sys.executable if name == "driftline" else peers_python()
    command = [python, str(HERE / "contender.py"), name, mode, url, str(calls)]
    environment = os.environ | {"OTEL_SDK_DISABLED": "false"} | environ
    with tempfile.TemporaryFile("w+") as errors:
        done = subprocess.run(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            timeout=RUN_SECONDS,
        )
        ended = time.time()
        if done.returncode:
            errors.seek(0)
            raise SystemExit(f"{name}: {errors.read()[-2000:]}")
    row: Row = json.loads(done.stdout.splitlines()[-1])
    row["exit_s"] = ended - row.pop("ended")
    return row


def medians(rows: Sequence[Row]) -> Row:
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def say_where() -> None:
    """The machine, and how busy it is."""
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f}")


def table(head: str, columns: Mapping[str, str], rows: Mapping[str, Row]) -> None:
    """A Markdown table: `columns` maps a column's title to its key and format, as "key:.1f"."""
    print("| " + " | ".join([head, *columns]) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name, row in rows.items():
        cells = []
        for spec in columns.values():
            key, _, form = spec.partition(":")
            cells.append(format(row[key], form) if key in row else "–")
        print("| " + " | ".join([name, *cells]) + " |")
