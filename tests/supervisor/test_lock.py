"""One run at a time in a data directory."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from driftline.sdk.errors import ConfigError
from driftline.supervisor.lock import home_lock

HOLD = """
import subprocess, sys
from pathlib import Path
from driftline.supervisor.lock import home_lock

with home_lock(Path(sys.argv[1])) as lock:
    service = [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()"]
    child = subprocess.Popen(service, stdin=0, stdout=subprocess.PIPE, pass_fds=(lock,))
    child.stdout.readline()
    print("locked", flush=True)
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_second_run_is_refused_and_hears_who_holds_the_directory(tmp_path: Path) -> None:
    refused = pytest.raises(ConfigError, match=f"in use by process {os.getpid()}")
    with home_lock(tmp_path), refused, home_lock(tmp_path):
        pass


def test_the_lock_is_free_after_the_run(tmp_path: Path) -> None:
    for _ in range(2):
        with home_lock(tmp_path):
            assert (tmp_path / "up.lock").read_text() == str(os.getpid())


def test_after_a_kill_the_next_run_waits_for_the_services_that_are_left(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", HOLD, str(tmp_path)]
    naps: list[float] = []
    pause = threading.Event()
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout and holder.stdin
        assert holder.stdout.readline() == "locked\n"
        holder.wait()
        leftover = holder.stdin

        def nap(seconds: float) -> None:
            naps.append(seconds)
            if len(naps) == 3:
                leftover.close()  # the service that was left ends
            pause.wait(seconds)

        with home_lock(tmp_path, leftover_seconds=30.0, nap=nap):
            assert len(naps) >= 3
