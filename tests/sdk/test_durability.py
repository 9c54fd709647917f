"""What a death leaves behind, the next process delivers: once, and all of it."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Wait = Callable[[Callable[[], bool], str], None]

NOBODY = "http://127.0.0.1:9"
DELIVER = "import driftline; driftline.init(); print(driftline.stats().replayed)"


def names(sink: Any) -> list[str]:
    return sorted(event["name"] for event in sink.events)


def left_over() -> list[Path]:
    return sorted(Path(os.environ["DRIFTLINE_SPOOL_DIR"]).rglob("*.seg"))


def settings(sink: Any, **more: str) -> dict[str, str]:
    return {"DRIFTLINE_URL": sink.url, "DRIFTLINE_API_KEY": "sk-dl-k-s", **more}


@pytest.fixture
def outage(sink: Any, new_answer: Any) -> Callable[[bool], None]:
    """The collector is down, or up again. The address stays: the spool is keyed by it."""

    def switch(down: bool) -> None:
        sink.answers = [new_answer(status=503)] * 1000 if down else []

    return switch


@pytest.fixture
def deliver(sink: Any, run_script: Run, wait_for: Wait) -> Callable[[], None]:
    """Start processes that log nothing, until nothing is left."""

    def until_empty() -> None:
        def empty() -> bool:
            run_script(DELIVER, **settings(sink))
            return not left_over()

        wait_for(empty, "the spool is empty")

    return until_empty


def killed(code: str, seconds: float, **environ: str) -> list[str]:
    """Run `code` and kill -9 it that long after its first line; the lines that it printed."""
    env = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"} | environ
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", code], env=env, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().splitlines(keepends=True)
    process.stdout.close()
    process.wait()
    return [line.strip() for line in [first, *rest] if line.endswith("\n")]


def test_what_an_exit_leaves_the_next_process_delivers(
    sink: Any, run_script: Run, outage: Any, deliver: Any
) -> None:
    outage(True)
    code = "import driftline\nfor n in range(2000): driftline.log(name=f'{n:04}')"
    done = run_script(code, **settings(sink))
    assert "2000 events undelivered; they are kept in" in done.stderr
    assert sink.events == [] and len(left_over()) == 1
    outage(False)
    deliver()
    assert names(sink) == [f"{n:04}" for n in range(2000)]
    assert sink.of_type("loss") == []
    assert list(Path(os.environ["DRIFTLINE_SPOOL_DIR"]).iterdir()) == []


@pytest.mark.parametrize("seed", range(4))
def test_durability_call_keeps_all_that_was_logged_before_a_kill(
    sink: Any, deliver: Any, outage: Any, seed: int
) -> None:
    code = """
import itertools, driftline
for n in itertools.count():
    driftline.log(name=str(n))
    print(n)
"""
    rng = random.Random(seed)
    outage(seed % 2 == 0)
    durable = settings(sink, DRIFTLINE_DURABILITY="call", DRIFTLINE_FLUSH_SECONDS="0.05")
    said = killed(code, rng.uniform(0.05, 0.6), **durable)
    outage(False)
    deliver()
    stored = {event["id"]: int(event["name"]) for event in sink.events}
    assert set(map(int, said)) <= set(stored.values())
    assert len(stored) == len(set(stored.values()))


@pytest.mark.parametrize("seed", range(4))
def test_durability_process_keeps_all_that_was_on_disk_before_a_kill(
    sink: Any, deliver: Any, outage: Any, seed: int
) -> None:
    """`spooled` counts what is written; that it is soon is measured by benchmarks/sdk_offline.py"""
    code = """
import driftline
logged = 0
while True:
    for _ in range(50):
        driftline.log(name=str(logged))
        logged += 1
    while driftline.stats().spooled < logged:
        pass
    print(logged)
"""
    outage(True)
    said = killed(code, random.Random(seed).uniform(0.05, 0.6), **settings(sink))
    outage(False)
    deliver()
    stored = sorted(int(event["name"]) for event in sink.events)
    assert stored == list(range(len(stored)))  # nothing twice, nothing missing in between
    assert len(stored) >= int(said[-1])


def test_a_process_killed_while_it_delivers_loses_nothing(
    sink: Any, run_script: Run, deliver: Any, outage: Any, new_answer: Any
) -> None:
    outage(True)
    run_script(
        "import driftline\nfor n in range(3000): driftline.log(name=f'{n:04}')", **settings(sink)
    )
    for seed in range(3):
        sink.answers = [new_answer()] + [new_answer(status=503)] * 1000
        code = "import driftline, time; driftline.init(); print(1); time.sleep(60)"
        killed(code, random.Random(seed).uniform(0.02, 0.3), **settings(sink))
    outage(False)
    deliver()
    assert {event["name"] for event in sink.events} == {f"{n:04}" for n in range(3000)}
    by_id = {event["id"]: event["name"] for event in sink.events}
    assert len(by_id) == 3000  # what came twice has one id


def test_durability_none_writes_nothing(sink: Any, run_script: Run, outage: Any) -> None:
    outage(True)
    code = "import driftline; driftline.log(name='x'); print(driftline.flush(0.2))"
    done = run_script(code, **settings(sink, DRIFTLINE_DURABILITY="none"))
    assert left_over() == [] and done.stdout == "False\n"
    assert "1 events undelivered" in done.stderr


def test_a_long_outage_takes_disk_and_no_queue(sink: Any, run_script: Run, outage: Any) -> None:
    outage(True)
    code = """
import driftline
for n in range(1000):
    driftline.log(name="x")
    if n % 50 == 49:
        while driftline.stats().spooled <= n:
            pass
stats = driftline.stats()
print(stats.queued, stats.spooled, stats.lost)
"""
    done = run_script(code, **settings(sink, DRIFTLINE_MAX_QUEUE="100"))
    assert done.stdout == "1000 1000 {}\n"


def test_over_its_bound_the_newest_are_counted_and_told(
    sink: Any, run_script: Run, outage: Any, deliver: Any
) -> None:
    outage(True)
    code = """
import driftline
for n in range(500):
    driftline.log(name=str(n), output="y" * 1000)
"""
    run_script(code, **settings(sink, DRIFTLINE_SPOOL_MAX_BYTES="100000"))
    outage(False)
    deliver()
    (loss,) = sink.of_type("loss")
    assert loss["reason"] == "spool_full"
    assert loss["count"] + len(sink.events) == 500
    stored = sorted(int(event["name"]) for event in sink.events)
    assert stored == list(range(len(stored)))


def test_losses_that_nobody_heard_of_wait_on_disk_too(
    sink: Any, run_script: Run, outage: Any, deliver: Any
) -> None:
    outage(True)
    code = "import driftline\nfor n in range(3): driftline.log(id='nonsense')"
    run_script(code, **settings(sink))
    outage(False)
    deliver()
    assert [(loss["reason"], loss["count"]) for loss in sink.of_type("loss")] == [("invalid", 3)]


@pytest.mark.parametrize("folder", ["/dev/null/spool", "/proc/driftline"])
def test_a_folder_that_cannot_be_written_is_a_warning(
    sink: Any, run_script: Run, folder: str
) -> None:
    code = "import driftline; driftline.log(name='x'); driftline.flush(); print(driftline.stats())"
    done = run_script(code, **settings(sink, DRIFTLINE_SPOOL_DIR=folder))
    assert "no spool in" in done.stderr and "lost={}" in done.stdout
    assert names(sink) == ["x"]


def test_a_full_disk_is_a_warning_and_memory_takes_over(sink: Any, run_script: Run) -> None:
    code = """
import resource, driftline
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # as a full disk: short, then failing
for n in range(100):
    driftline.log(name=f"{n:02}", output="y" * 1000)
assert driftline.flush(20)
print(driftline.stats().lost)
"""
    done = run_script(code, **settings(sink, DRIFTLINE_FLUSH_SECONDS="60"))
    assert "no spool in" in done.stderr and done.stdout == "{}\n"
    assert names(sink) == [f"{n:02}" for n in range(100)]
    assert left_over() == []


def test_a_live_process_keeps_its_own(sink: Any, run_script: Run, wait_for: Wait) -> None:
    """A second process with the same settings starts, delivers and ends beside it."""
    code = """
import sys, driftline
driftline.log(name="first")
while not driftline.stats().spooled:
    pass
print("written")
sys.stdin.read()
"""
    env = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
    first = subprocess.Popen(
        [sys.executable, "-u", "-c", code],
        env=env | settings(sink, DRIFTLINE_FLUSH_SECONDS="60"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "written\n"
    run_script("import driftline; driftline.log(name='second')", **settings(sink))
    assert names(sink) == ["second"]
    first.communicate("", timeout=20)
    assert names(sink) == ["first", "second"] and left_over() == []


def test_what_a_killed_child_wrote_its_parent_or_the_next_process_delivers(
    sink: Any, run_script: Run, outage: Any, deliver: Any
) -> None:
    outage(True)
    code = """
import os, driftline
driftline.log(name="parent")
for n in range(3):
    pid = os.fork()
    if pid == 0:
        driftline.log(name=f"child {n}")
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
os.kill(os.getpid(), 9)
"""
    env = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
    env |= settings(sink, DRIFTLINE_DURABILITY="call")
    subprocess.run([sys.executable, "-c", code], env=env, timeout=60)
    outage(False)
    deliver()
    assert names(sink) == ["child 0", "child 1", "child 2", "parent"]


def test_a_damaged_file_is_counted_and_told(
    sink: Any, run_script: Run, outage: Any, deliver: Any
) -> None:
    outage(True)
    run_script("import driftline\nfor n in range(3): driftline.log(name=str(n))", **settings(sink))
    (path,) = left_over()
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b'"name"') + 3])
    outage(False)
    deliver()
    run_script("import driftline; driftline.log(name='later')", **settings(sink))
    assert names(sink) == ["0", "1", "later"]
    told = [(loss["reason"], loss["count"]) for loss in sink.of_type("loss")]
    assert told == [("spool_damaged", 1)], json.dumps(sink.lines)
