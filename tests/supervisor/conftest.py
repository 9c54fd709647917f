"""Real child processes: `python -m http.server` is a service whose health page is its listing."""

import io
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from driftline.supervisor.child import Service
from driftline.supervisor.ports import free_port
from driftline.supervisor.watch import Supervisor
from driftline.terminal import Terminal

DEADLINE_SECONDS = 60.0


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def supervisor(tmp_path: Path, screen: io.StringIO, stop: threading.Event) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path / "logs", Terminal(screen), stop)
    yield made
    made.kill()
    for child in made.children:
        assert child.wait(DEADLINE_SECONDS)


@pytest.fixture
def web_server(tmp_path: Path) -> Callable[[str], Service]:
    """A service of the given name that serves an empty folder."""
    folder = tmp_path / "served"
    folder.mkdir()

    def make(name: str) -> Service:
        port = free_port()
        command = (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1")
        return Service(
            name=name,
            command=(*command, "--directory", str(folder)),
            host="127.0.0.1",
            port=port,
            port_flag="--port",
            health_path="/",
            start_seconds=DEADLINE_SECONDS,
        )

    return make


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Service]:
    """A service that runs Python source and serves nothing."""

    def make(source: str, start_seconds: float = DEADLINE_SECONDS) -> Service:
        return Service(
            name="script",
            command=(sys.executable, "-c", source),
            host="127.0.0.1",
            port=free_port(),
            port_flag="--port",
            health_path="/",
            start_seconds=start_seconds,
        )

    return make


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Wait for a condition; fails after DEADLINE_SECONDS."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        pause = threading.Event()
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true"
            pause.wait(0.02)

    return wait
