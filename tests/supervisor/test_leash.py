"""Services do not outlive the process that started them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Until = Callable[[Callable[[], bool]], None]

PARENT = """
import io, sys, threading
from pathlib import Path
from driftline.supervisor.child import Service
from driftline.supervisor.watch import Supervisor
from driftline.terminal import Terminal

supervisor = Supervisor(Path(sys.argv[1]), Terminal(io.StringIO()), threading.Event())
command = (sys.executable, "-c", "import signal; print('alive'); signal.pause()")
supervisor.launch(Service("child", command, "127.0.0.1", int(sys.argv[2]), "--port", "/", 60.0))
child = supervisor.child("child")
while "alive" not in child.tail:
    child.wait(0.02)
print(child.pid, flush=True)
threading.Event().wait()
"""


def running(pid: int) -> bool:
    """A zombie that waits for a reaper counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(PR_SET_PDEATHSIG) is Linux's")
def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path, until: Until) -> None:
    from driftline.supervisor.ports import free_port

    arguments = [sys.executable, "-c", PARENT, str(tmp_path), str(free_port())]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert running(pid)
        os.kill(parent.pid, signal.SIGKILL)
    until(lambda: not running(pid))


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(PR_SET_PDEATHSIG) is Linux's")
def test_a_leash_whose_parent_is_gone_already_runs_nothing(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    command = [sys.executable, "-m", "driftline.supervisor.leash", "1", "touch", str(touched)]
    assert subprocess.run(command, check=False).returncode == 0
    assert not touched.exists()
