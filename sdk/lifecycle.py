"""What happens to clients when the process forks or ends."""

from __future__ import annotations

import atexit
import os
import weakref
from typing import Protocol

EXIT_SECONDS = 1.5  # with what an exit costs anyway, it is over in 2 seconds


class Mortal(Protocol):
    """Something to renew in a forked child and to close at exit."""

    def after_fork(self) -> None:
        """Runs in the child."""

    def shutdown(self, timeout_seconds: float = ...) -> None:
        """Deliver what is queued, in that time."""


_alive: weakref.WeakSet[Mortal] = weakref.WeakSet()
_hooked: list[bool] = []


def watch(client: Mortal) -> None:
    """Renew `client` after a fork and close it at exit, for as long as it lives."""
    if not _hooked:
        _hooked.append(True)
        atexit.register(_at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_after_fork)
    _alive.add(client)


def _after_fork() -> None:
    for client in list(_alive):
        client.after_fork()


def _at_exit() -> None:
    for client in list(_alive):
        client.shutdown(EXIT_SECONDS)
