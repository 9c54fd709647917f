"""Parts to test an app's logging with, without a collector.

memory = MemoryTransport()
driftline.init(transport=memory, clock=FixedClock(), ids=CountingIds())
answer("What is drift?")
driftline.flush()
assert memory.events[0]["output"] == "..."
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any

from .errors import Unreachable
from .ids import uuid7
from .transport import Reply

START_US = 1_750_000_000_000_000  # 2025-06-15 15:06:40 UTC


class MemoryTransport:
    """Keeps what is sent. `replies` are given first, one a call; None means "no answer"."""

    def __init__(self, *replies: Reply | None) -> None:
        self.calls: list[list[dict[str, Any]]] = []  # every call, refused ones too
        self.lines: list[dict[str, Any]] = []  # the lines of the calls answered 200
        self._replies = list(replies)
        self._lock = threading.Lock()

    def send(self, lines: Sequence[bytes]) -> Reply:
        decoded = [json.loads(line) for line in lines]
        with self._lock:
            self.calls.append(decoded)
            reply = self._replies.pop(0) if self._replies else Reply(200)
            if reply is None:
                raise Unreachable("the test says so")
            if reply.status == 200:
                self.lines.extend(decoded)
        return reply

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """The stored lines of that type: event, score or loss."""
        return [line for line in self.lines if line["type"] == kind]

    @property
    def events(self) -> list[dict[str, Any]]:
        return self.of_type("event")

    @property
    def scores(self) -> list[dict[str, Any]]:
        return self.of_type("score")

    @property
    def losses(self) -> dict[str, int]:
        """What was reported as lost, by reason."""
        reported: dict[str, int] = {}
        for line in self.of_type("loss"):
            reported[line["reason"]] = reported.get(line["reason"], 0) + line["count"]
        return reported


class FixedClock:
    """A clock that moves when it is told to (or by `step_us` at each reading)."""

    def __init__(self, start_us: int = START_US, step_us: int = 0) -> None:
        self.us = start_us
        self._step = step_us

    def __call__(self) -> int:
        now = self.us
        self.us += self._step
        return now

    def advance(self, seconds: float) -> None:
        self.us += round(seconds * 1_000_000)


class CountingIds:
    """Valid UUIDv7s of the given time that count 1, 2, 3, ..."""

    def __init__(self) -> None:
        self._count = 0

    def new(self, unix_us: int, *, live: bool = True) -> str:
        self._count += 1
        return uuid7(unix_us // 1000, 0, self._count)
