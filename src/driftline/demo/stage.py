"""Everything the story needs running: the services in a data directory of their own, a receiver."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from driftline.sdk.api import Api
from driftline.sdk.errors import ConfigError
from driftline.supervisor.lock import LOCK_FILE, home_lock
from driftline.supervisor.ports import PortTaken, holder_of, is_free
from driftline.supervisor.stack import Stack, StackSettings
from driftline.supervisor.watch import Supervisor
from driftline.terminal import Terminal

from .receiver import Receiver

MARKER = "this-is-a-demo.txt"
HOST = "127.0.0.1"
PORTS = 5  # collector, dashboard, worker, trainer, receiver


@dataclass(frozen=True, slots=True)
class StageSettings:
    """Where the demo lives. `port` is the first of five."""

    home: Path
    port: int = 8400
    device: str = "auto"
    threads: int = 0
    verbose: bool = False

    @property
    def stack(self) -> StackSettings:
        return StackSettings(
            home=self.home,
            host=HOST,
            port=self.port,
            dashboard_port=self.port + 1,
            worker_port=self.port + 2,
            trainer_port=self.port + 3,
            device=self.device,
            threads=self.threads,
            port_flag="--port",
            environment={"DRIFTLINE_WEBHOOK_ALLOW": f"{HOST}/32", **_own_databases(self.home)},
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs: the administrator's client, the webhook receiver, the pages."""

    settings: StageSettings
    admin: Api
    receiver: Receiver
    dashboard_url: str
    supervisor: Supervisor


@contextmanager
def stage(
    settings: StageSettings,
    terminal: Terminal,
    stop: threading.Event,
    started: Callable[[Supervisor], None] = lambda supervisor: None,
) -> Iterator[Stage]:
    """Start it all in a fresh data directory; stop it all at the end.

    `started` gets the supervisor before it starts anything. Raises ConfigError when the directory
    or a port is in use, ServiceFailed, or Stopped.
    """
    refuse_foreign(settings.home)
    with home_lock(settings.home) as lock:
        clear(settings.home)
        supervisor = Supervisor(
            settings.home / "logs", terminal, stop, pass_fds=(lock,), verbose=settings.verbose
        )
        started(supervisor)
        with _receiver(settings) as receiver, supervisor.watching():
            admin = Stack(settings.stack, supervisor, terminal).start()
            url = settings.stack.dashboard_url
            yield Stage(settings, admin, receiver, url, supervisor)


def refuse_foreign(home: Path) -> None:
    """Raises ConfigError unless `home` is absent, empty, or a demo's: it is about to be emptied."""
    if not home.exists() or (home / MARKER).is_file():
        return
    if any(entry.name != LOCK_FILE for entry in home.iterdir()):
        raise ConfigError(
            f"{home} holds something else than a demo, and the demo begins by emptying it."
            " Choose another directory with --home."
        )


def clear(home: Path) -> None:
    """Remove an earlier demo; its lock is ours."""
    for entry in home.iterdir():
        if entry.is_symlink() or entry.is_file():
            if entry.name not in (LOCK_FILE, MARKER):
                entry.unlink()
        else:
            shutil.rmtree(entry)
    (home / MARKER).write_text(
        "`driftline demo` made this directory and empties it at each start.\n"
    )


def _own_databases(home: Path) -> dict[str, str]:
    """Whatever the environment says about databases and registries is not for the demo."""
    return {
        "DRIFTLINE_CLICKHOUSE_URL": f"chdb://{home / 'clickhouse'}",
        "DRIFTLINE_DATABASE_URL": f"sqlite:///{home / 'control.db'}",
        "DRIFTLINE_REGISTRY": str(home / "registry"),
    }


@contextmanager
def _receiver(settings: StageSettings) -> Iterator[Receiver]:
    port = settings.port + PORTS - 1
    if not is_free(HOST, port):
        raise PortTaken("webhook receiver", port, "--port", holder_of(port))
    receiver = Receiver(port)
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.stop()
