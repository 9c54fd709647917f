"""Several workers on one machine: a process each, so that none waits for another one's Python.

The parent computes nothing: it starts the workers, starts one again that was killed, hands a signal
on to all, and ends when they have. A worker ends when its parent does, however that died: its
standard input, of which the parent holds the other end, is closed then.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

POLL_SECONDS = 0.2
FIRST_BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 30.0
STEADY_SECONDS = 15.0  # after so long the backoff starts afresh; what fails at once takes less

log = structlog.get_logger("driftline.worker")


@dataclass(slots=True)
class _Slot:
    """One of the workers, and when it may be started again."""

    command: list[str]
    child: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    due_at: float = 0.0
    backoff: float = FIRST_BACKOFF_SECONDS
    status: int | None = None


def own_arguments(
    number: int, count: int, *, name: str, device: str, gpus: int, port: int, cost_per_hour: float
) -> list[str]:
    """What tells worker `number` of `count` apart: name, device, port, share of the cost (pure)."""
    spread = device in ("auto", "cuda") and gpus
    return [
        "--name", f"{name}.{number}",
        "--device", f"cuda:{number % gpus}" if spread else device,
        "--health-port", str(port + number if port else 0),
        "--cost-per-hour", repr(cost_per_hour / count),
    ]  # fmt: skip


def command(arguments: Sequence[str]) -> list[str]:
    """One worker on a leash."""
    return [sys.executable, "-m", "driftline.metrics", *arguments, "--leash"]


def run(commands: Sequence[Sequence[str]], stop: threading.Event) -> int:
    """Keep a process of each command running until all have ended by themselves or by `stop`.

    Returns 1 when one gave up (a wrong key, a missing model), and then stops the others; else 0.
    """
    slots = [_Slot(list(words)) for words in commands]
    told = False
    while any(slot.status is None for slot in slots):
        for slot in slots:
            if slot.status is None:
                _tend(slot, stop)
        gave_up = any(slot.status for slot in slots)
        if (stop.is_set() or gave_up) and not told:
            stop.set()
            told = True
            _tell(slots, signal.SIGTERM)
        time.sleep(POLL_SECONDS)
    return 1 if any(slot.status for slot in slots) else 0


def _tend(slot: _Slot, stop: threading.Event) -> None:
    """Start what is due, note what has ended; a process that a signal killed is started again."""
    if slot.child is None:
        if stop.is_set():
            slot.status = 0
        elif time.monotonic() >= slot.due_at:
            slot.child = subprocess.Popen(slot.command, stdin=subprocess.PIPE)
            slot.started_at = time.monotonic()
        return
    status = slot.child.poll()
    if status is None:
        return
    _close(slot.child)
    slot.child = None
    if status >= 0 or stop.is_set():
        slot.status = max(0, status)
        return
    now = time.monotonic()
    if now - slot.started_at >= STEADY_SECONDS:
        slot.backoff = FIRST_BACKOFF_SECONDS
    log.error("a worker was killed and is started again", signal=-status, after=slot.backoff)
    slot.due_at = now + slot.backoff
    slot.backoff = min(2 * slot.backoff, MAX_BACKOFF_SECONDS)


def _tell(slots: Sequence[_Slot], number: signal.Signals) -> None:
    for slot in slots:
        if slot.child is not None:
            slot.child.send_signal(number)


def _close(child: subprocess.Popen[bytes]) -> None:
    if child.stdin is not None:
        child.stdin.close()


def end_with_parent() -> None:
    """SIGTERM for this process once its standard input ends."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="leash", daemon=True).start()
