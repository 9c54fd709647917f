"""The lock of a data directory: held as long as any of its services lives."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from driftline.sdk.errors import ConfigError

LOCK_FILE = "up.lock"
LEFTOVER_SECONDS = 20.0  # the services of a killed run need a moment to leave
POLL_SECONDS = 0.1


@contextmanager
def home_lock(
    home: Path,
    leftover_seconds: float = LEFTOVER_SECONDS,
    nap: Callable[[float], None] = time.sleep,
) -> Iterator[int]:
    """Hold the data directory; yields the file descriptor to hand on to the services.

    A flock(2) lasts until the last process that inherited it ends. So when a run was killed, this
    waits for its services to go; while one is in use, it raises ConfigError at once.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / LOCK_FILE).open("a+") as file:
        waits = int(leftover_seconds / POLL_SECONDS)
        while not _taken(file):
            owner = _owner(file)
            if waits == 0 or _alive(owner):
                raise ConfigError(
                    f"the data directory {home} is in use by process {owner or 'unknown'} or its"
                    " services. Stop it, or choose another directory with --home."
                )
            waits -= 1
            nap(POLL_SECONDS)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file.fileno()


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner(file: IO[str]) -> int:
    file.seek(0)
    text = file.read().strip()
    return int(text) if text.isdigit() else 0


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0
