"""Several worker processes: a killed one comes back, a signal reaches all, none is orphaned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from driftline.metrics import processes

Wait = Callable[[Callable[[], object], str], None]

# Writes its process id, then lives until SIGTERM, on the leash.
PATIENT = """
import os, pathlib, signal, sys, threading
from driftline.metrics.processes import end_with_parent
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
end_with_parent()
pathlib.Path(sys.argv[1], str(os.getpid())).touch()
stop.wait()
"""
PARENT = """
import sys, threading
from driftline.metrics import processes
processes.run([[sys.executable, "-c", sys.argv[1], sys.argv[2]]], threading.Event())
"""


def patient(folder: Path) -> list[str]:
    return [sys.executable, "-c", PATIENT, str(folder)]


def started(folder: Path) -> set[int]:
    return {int(path.name) for path in folder.iterdir()}


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_worker_is_started_again_and_all_stop_when_told(
    tmp_path: Path, wait_until: Wait
) -> None:
    stop, status = threading.Event(), list[int]()
    commands = [patient(tmp_path), patient(tmp_path)]
    watcher = threading.Thread(target=lambda: status.append(processes.run(commands, stop)))
    watcher.start()
    wait_until(lambda: len(started(tmp_path)) == 2, "both run")
    os.kill(min(started(tmp_path)), signal.SIGKILL)
    wait_until(lambda: len(started(tmp_path)) == 3, "a new one took its place")
    stop.set()
    watcher.join(30)
    assert status == [0]
    assert not any(map(is_running, started(tmp_path)))


def test_one_that_gives_up_takes_the_others_along(tmp_path: Path) -> None:
    gives_up = [sys.executable, "-c", "raise SystemExit(1)"]
    assert processes.run([patient(tmp_path), gives_up], threading.Event()) == 1
    assert not any(map(is_running, started(tmp_path)))


def test_workers_that_find_no_more_work_end_the_parent(tmp_path: Path) -> None:
    done = [sys.executable, "-c", ""]
    assert processes.run([done, done], threading.Event()) == 0


def test_a_parent_killed_by_the_system_leaves_no_orphan(tmp_path: Path, wait_until: Wait) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, PATIENT, str(tmp_path)])
    wait_until(lambda: started(tmp_path), "the worker runs")
    parent.kill()
    parent.wait()
    (pid,) = started(tmp_path)
    wait_until(lambda: not is_running(pid), "the worker is gone")


def own(number: int, device: str, gpus: int, port: int = 8402) -> dict[str, str]:
    words = processes.own_arguments(
        number, 4, name="box", device=device, gpus=gpus, port=port, cost_per_hour=2.0
    )
    return dict(zip(words[::2], words[1::2], strict=True))


def test_each_gpu_gets_its_worker_and_each_worker_its_port_and_its_share_of_the_cost() -> None:
    found = [own(number, "auto", gpus=2) for number in range(4)]
    assert [o["--device"] for o in found] == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert [o["--health-port"] for o in found] == ["8402", "8403", "8404", "8405"]
    assert [o["--name"] for o in found] == ["box.0", "box.1", "box.2", "box.3"]
    assert {o["--cost-per-hour"] for o in found} == {"0.5"}


def test_without_a_gpu_and_for_a_chosen_device_nothing_is_spread() -> None:
    assert own(1, "cpu", gpus=0)["--device"] == "cpu"
    assert own(1, "cuda:1", gpus=2)["--device"] == "cuda:1"
    assert own(3, "cpu", gpus=0, port=0)["--health-port"] == "0"
