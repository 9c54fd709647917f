"""Run a command that ends when its parent dies, even by kill -9.

    python -m driftline.supervisor.leash PARENT_PID COMMAND [ARGUMENT ...]

On Linux the kernel sends SIGTERM at the parent's death (prctl(2), PR_SET_PDEATHSIG; it survives
exec). Elsewhere the command runs without the leash: an orphan must then be stopped by hand.
A module of its own, because code between fork and exec in a threaded parent is unsafe.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Ask for SIGTERM at the parent's death; exit now when it is dead already."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise SystemExit(0)


def main(arguments: list[str]) -> None:
    parent, *command = arguments
    die_with(int(parent))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
