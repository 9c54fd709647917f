"""`driftline up` with a real collector."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from driftline.sdk.api import Api
from driftline.supervisor.ports import free_port, holder_of, is_free

STOP_SECONDS = 60

Until = Callable[[Callable[[], bool]], None]


@dataclass
class Up:
    """`driftline up` with only the collector, on one data directory and port."""

    home: Path
    port: int
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *arguments: str, home: Path | None = None) -> subprocess.Popen[str]:
        kept = {k: v for k, v in os.environ.items() if k == "DRIFTLINE_SPOOL_DIR"}
        own = {k: v for k, v in os.environ.items() if not k.startswith("DRIFTLINE_")} | kept
        where = ("--home", str(home or self.home), "--port", str(self.port))
        only = ("--workers", "0", "--no-trainer", "--no-dashboard")
        process = subprocess.Popen(
            [sys.executable, "-m", "driftline.cli", "up", *where, *only, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=own,
        )
        self.running.append(process)
        return process

    def ready(self) -> subprocess.Popen[str]:
        """Started, and past its welcome."""
        process = self.start()
        assert process.stdout
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("Ctrl-C stops"):
                return process
        pytest.fail("".join(said))

    def api(self) -> Api:
        return Api(f"http://127.0.0.1:{self.port}", (self.home / "admin.key").read_text().strip())


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    made = Up(tmp_path / "home", free_port())
    yield made
    for process in made.running:
        process.kill()
        process.wait(STOP_SECONDS)
        if process.stdout:
            process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_services_and_ends_with_status_0(up: Up, number: signal.Signals) -> None:
    process = up.ready()
    assert up.api().ready()
    process.send_signal(number)
    assert process.wait(STOP_SECONDS) == 0
    assert is_free("127.0.0.1", up.port)
    assert (up.home / "logs" / "collector.log").stat().st_size > 0


def test_the_next_start_uses_the_same_service_keys(up: Up) -> None:
    counts = []
    for _ in range(2):
        process = up.ready()
        keys = up.api().keys()
        counts.append(sorted(key.id for key in keys))
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_SECONDS) == 0
    assert counts[0] == counts[1]
    assert (up.home / "service-keys.json").stat().st_mode & 0o777 == 0o600


def test_a_second_up_on_the_same_data_is_refused_with_status_2(up: Up) -> None:
    first = up.ready()
    second = up.start()
    words, _ = second.communicate(timeout=STOP_SECONDS)
    assert second.returncode == 2
    assert f"is in use by process {first.pid}" in words


def test_a_taken_port_is_refused_with_status_2_and_the_way_out(up: Up, tmp_path: Path) -> None:
    up.ready()
    second = up.start(home=tmp_path / "other")
    words, _ = second.communicate(timeout=STOP_SECONDS)
    assert second.returncode == 2
    assert f"port {up.port} (collector) is in use by process" in words
    assert "driftline.collector" in words and f"--port {up.port + 100}" in words


def test_a_killed_collector_comes_back_with_its_data(up: Up, until: Until) -> None:
    process = up.ready()
    up.api().create_project("shop")
    holder = holder_of(up.port)
    assert holder
    os.kill(holder.pid, signal.SIGKILL)

    def back() -> bool:
        now = holder_of(up.port)
        return now is not None and now.pid != holder.pid and up.api().ready()

    drain = threading.Thread(target=process.stdout.read if process.stdout else str, daemon=True)
    drain.start()
    until(back)
    assert [project.name for project in up.api().projects()] == ["shop"]
    process.send_signal(signal.SIGINT)
    assert process.wait(STOP_SECONDS) == 0
    drain.join(STOP_SECONDS)


def test_after_a_kill_of_up_itself_nothing_lingers_and_it_starts_again(up: Up) -> None:
    process = up.ready()
    process.kill()
    process.wait(STOP_SECONDS)
    again = up.ready()
    assert up.api().ready()
    again.send_signal(signal.SIGINT)
    assert again.wait(STOP_SECONDS) == 0
