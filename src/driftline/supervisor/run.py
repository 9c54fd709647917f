"""`driftline up`, and what the ports answer."""

from __future__ import annotations

import os
import signal
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from driftline.sdk.api import Api
from driftline.sdk.errors import ConfigError
from driftline.terminal import Terminal

from .child import ServiceFailed, probe
from .lock import home_lock
from .stack import Stack, StackSettings
from .watch import Stopped, Supervisor

INTERRUPTED = 130
USAGE = 2
HEALTH_PATHS = {
    "dashboard": (8401, "/_stcore/health"),
    "worker": (8402, "/healthz"),
    "trainer": (8403, "/healthz"),
}


def run_up(settings: StackSettings, terminal: Terminal, *, verbose: bool) -> int:
    """Start everything, keep it alive until a signal, stop it in order. Returns the exit status.

    Raises ConfigError when the data directory or a port is in use.
    """
    stop = threading.Event()
    with home_lock(settings.home) as lock:
        logs = settings.home / "logs"
        supervisor = Supervisor(logs, terminal, stop, pass_fds=(lock,), verbose=verbose)
        with on_signals(stop, supervisor.kill):
            try:
                Stack(settings, supervisor, terminal).start()
                _welcome(settings, terminal)
                supervisor.watch()
            except Stopped:
                pass
            except ServiceFailed as error:
                terminal.say(f"error: {error}", "red")
                return error.exit_code if error.exit_code == USAGE else 1
            finally:
                terminal.say("stopping")
                supervisor.stop()
    return 0


def _welcome(settings: StackSettings, terminal: Terminal) -> None:
    where = settings.dashboard_url if settings.dashboard else "off (--no-dashboard)"
    terminal.say(f"collector  {settings.url}  (API: {settings.url}/docs)")
    terminal.say(f"dashboard  {where}", "bold")
    terminal.say(f"data       {settings.home}  (administrator's key: admin.key, logs: logs/)")
    terminal.say("Ctrl-C stops everything in order; a second Ctrl-C at once.")


@contextmanager
def on_signals(stop: threading.Event, kill: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM, SIGHUP) sets `stop`; the second kills and leaves at once."""

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            kill()
            os._exit(INTERRUPTED)
        stop.set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def probe_all(url: str) -> dict[str, str]:
    """What the collector at `url` and the other services on its host (default ports) answer."""
    states = {"collector": _collector_state(url)}
    host = urllib.parse.urlsplit(url).hostname or "127.0.0.1"
    for name, (port, path) in HEALTH_PATHS.items():
        problem = probe(f"http://{host}:{port}{path}")
        states[name] = f"no answer on port {port} ({problem})" if problem else "ready"
    return states


def _collector_state(url: str) -> str:
    try:
        return "ready" if Api(url, "", retries=0).ready() else f"not ready ({url}/readyz)"
    except ConfigError as error:
        return str(error)
