"""Forks, exits and kills: in processes of their own, against a real server."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Wait = Callable[[Callable[[], bool], str], None]


def names(sink: Any) -> list[str]:
    return sorted(event["name"] for event in sink.events)


def test_what_is_queued_at_exit_is_delivered(sink: Any, run_script: Run) -> None:
    code = """
import driftline
for n in range(1200):
    driftline.log(name=f"{n:04}")
"""
    run_script(code, DRIFTLINE_URL=sink.url, DRIFTLINE_API_KEY="k", DRIFTLINE_FLUSH_SECONDS="60")
    assert names(sink) == [f"{n:04}" for n in range(1200)]


def test_an_app_that_raises_at_its_end_delivers_too(sink: Any, run_script: Run) -> None:
    code = "import driftline; driftline.log(name='last'); raise SystemExit(0)"
    run_script(code, DRIFTLINE_URL=sink.url, DRIFTLINE_API_KEY="k", DRIFTLINE_FLUSH_SECONDS="60")
    assert names(sink) == ["last"]


def test_exit_takes_two_seconds_at_most_when_nobody_answers(run_script: Run) -> None:
    code = """
import atexit, time
began = []
atexit.register(lambda: print(time.monotonic() - began[0]))  # runs after the SDK's
import driftline
for n in range(2000):
    driftline.log(name="x")
began.append(time.monotonic())
"""
    done = run_script(
        code, DRIFTLINE_URL="http://127.0.0.1:9", DRIFTLINE_API_KEY="k", DRIFTLINE_MAX_QUEUE="5000"
    )
    assert float(done.stdout) < 3.0
    assert "2000 events undelivered" in done.stderr


def test_a_forked_child_has_a_sender_of_its_own_and_repeats_nothing(
    sink: Any, run_script: Run
) -> None:
    """As gunicorn with preload_app: the parent logs, forks, and both go on."""
    code = """
import os, driftline
driftline.log(name="before the first flush")
driftline.flush()
driftline.log(name="queued at the fork")
children = []
for n in range(3):
    pid = os.fork()
    if pid == 0:
        driftline.log(name=f"child {n}")
        raise SystemExit(0)
    children.append(pid)
for pid in children:
    status = os.waitpid(pid, 0)[1]
    assert status == 0, status
driftline.log(name="parent after")
"""
    run_script(code, DRIFTLINE_URL=sink.url, DRIFTLINE_API_KEY="k", DRIFTLINE_FLUSH_SECONDS="60")
    assert names(sink) == [
        "before the first flush",
        "child 0",
        "child 1",
        "child 2",
        "parent after",
        "queued at the fork",
    ]
    assert len({event["id"] for event in sink.events}) == 6


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_multiprocessing_child_delivers_before_it_exits(
    sink: Any, tmp_path: Any, method: str
) -> None:
    """Its atexit handlers never run: it leaves by os._exit."""
    script = tmp_path / "pool.py"
    script.write_text(
        f"""
import multiprocessing, driftline

def work(n):
    driftline.log(name=f"child {{n}}")

if __name__ == "__main__":
    driftline.log(name="parent")
    driftline.flush()
    context = multiprocessing.get_context("{method}")
    processes = [context.Process(target=work, args=(n,)) for n in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
"""
    )
    environ = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
    environ |= {
        "DRIFTLINE_URL": sink.url,
        "DRIFTLINE_API_KEY": "k",
        "DRIFTLINE_FLUSH_SECONDS": "60",
    }
    subprocess.run([sys.executable, str(script)], env=environ, check=True, timeout=60)
    assert names(sink) == ["child 0", "child 1", "parent"]


def test_forking_while_another_thread_logs_never_deadlocks(sink: Any, run_script: Run) -> None:
    code = """
import os, threading, driftline
driftline.init()
stop = threading.Event()

def chatter():
    while not stop.wait(0.0001):
        driftline.log(name="chatter")

threads = [threading.Thread(target=chatter, daemon=True) for _ in range(2)]
for thread in threads:
    thread.start()
for n in range(20):
    pid = os.fork()
    if pid == 0:
        driftline.log(name=f"child {n:02}")
        os._exit(0 if driftline.flush(20) else 3)
    status = os.waitpid(pid, 0)[1]
    assert status == 0, status
stop.set()
for thread in threads:
    thread.join()
"""
    run_script(code, DRIFTLINE_URL=sink.url, DRIFTLINE_API_KEY="k")
    assert [n for n in names(sink) if n != "chatter"] == [f"child {n:02}" for n in range(20)]


def test_what_was_acknowledged_before_a_kill_is_stored_once(sink: Any, wait_for: Wait) -> None:
    """Without a spool, what is still queued dies with the process; nothing arrives twice."""
    code = """
import driftline, itertools
for n in itertools.count():
    driftline.log(name=str(n))
    if n % 200 == 199:
        driftline.flush()
        print(n, flush=True)
"""
    environ = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
    environ |= {"DRIFTLINE_URL": sink.url, "DRIFTLINE_API_KEY": "k"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environ, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = [int(process.stdout.readline()) for _ in range(3)]
    process.send_signal(signal.SIGKILL)
    said.extend(int(text) for text in process.stdout.read().split())
    process.wait()
    process.stdout.close()
    stored = [int(event["name"]) for event in sink.events]
    assert len(stored) == len(set(stored))
    assert set(range(said[-1] + 1)) <= set(stored)


def test_logging_from_a_signal_handler_does_not_deadlock(sink: Any, run_script: Run) -> None:
    code = """
import signal, driftline
driftline.init()
signal.signal(signal.SIGALRM, lambda *_: driftline.log(name="signal"))
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
for n in range(5000):
    driftline.log(name="main")  # the handler interrupts it anywhere
signal.setitimer(signal.ITIMER_REAL, 0)
assert driftline.flush(20)
print(driftline.stats().lost)
"""
    done = run_script(code, DRIFTLINE_URL=sink.url, DRIFTLINE_API_KEY="k")
    assert done.stdout.strip() == "{}"
    assert names(sink).count("main") == 5000 and "signal" in names(sink)


def test_importing_takes_the_standard_library_only_and_little_time(run_script: Run) -> None:
    code = """
import sys, time
before = set(sys.modules)
times = []
began = time.perf_counter()
import driftline
times.append(time.perf_counter() - began)
import driftline.sdk.ambient, driftline.sdk.observe, driftline.sdk.openai
for name in driftline.__all__:
    getattr(driftline, name)
tops = {name.split(".")[0] for name in set(sys.modules) - before} - {"driftline"}
print(sorted(tops - sys.stdlib_module_names))
print(sorted(tops & {"asyncio", "http", "ssl", "email", "uuid", "multiprocessing"}))
print(times[0])
"""
    outside, heavy, _ = run_script(code).stdout.splitlines()
    assert (outside, heavy) == ("[]", "[]")
    fastest = min(float(run_script(code).stdout.splitlines()[2]) for _ in range(3))
    assert fastest < 0.1


def test_an_exit_in_the_middle_of_an_outage_is_quick_with_a_hanging_server(
    sink: Any, run_script: Run, wait_for: Wait, new_answer: Callable[..., Any]
) -> None:
    import threading

    gate = threading.Event()
    sink.answers = [new_answer(hold=gate)]
    began = time.monotonic()
    run_script(
        "import driftline; driftline.log(name='x')", DRIFTLINE_URL=sink.url, DRIFTLINE_API_KEY="k"
    )
    assert time.monotonic() - began < 10
    gate.set()
