"""What the story claims: named checks that come true or not, each with its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from driftline.supervisor.watch import Stopped
from driftline.terminal import Terminal

T = TypeVar("T")
POLL_SECONDS = 0.5
TABLE_WIDTH = 90  # characters of what was seen; the whole was printed when it was decided


class Untrue(Exception):
    """A check failed and the rest of the story depends on it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One claim, whether it came true, and what was seen. `seconds`: since the story began."""

    name: str
    passed: bool
    words: str
    seconds: float


class Checklist:
    """Collects checks and prints each as it is decided. `stop` ends every wait."""

    def __init__(
        self,
        terminal: Terminal,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.terminal = terminal
        self.checks: list[Check] = []
        self._stop = stop
        self._clock = clock
        self._begun = clock()

    @property
    def came_true(self) -> bool:
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def stop(self) -> threading.Event:
        return self._stop

    def check(self, name: str, passed: bool, words: str) -> bool:
        """Note one claim; the story goes on either way."""
        self.checks.append(Check(name, passed, words, self._clock() - self._begun))
        mark, style = ("✓", "green") if passed else ("✗", "bold red")
        self.terminal.say(f"  {mark} {name}: {words}", style)
        return passed

    def require(self, name: str, passed: bool, words: str) -> None:
        """Note one claim that the rest depends on. Raises Untrue."""
        if not self.check(name, passed, words):
            raise Untrue(f"{name}: {words}")

    @contextmanager
    def chapter(self, title: str) -> Iterator[None]:
        """A heading, and the time it took."""
        begun = self._clock()
        self.terminal.say()
        self.terminal.say(title, "bold")
        yield
        self.terminal.say(f"  {self._clock() - begun:.0f} s", "dim")

    def wait(
        self,
        name: str,
        seconds: float,
        look: Callable[[], T | None],
        mark: Callable[[], object] = lambda: None,
    ) -> T:
        """`look` until it returns something. Raises Stopped on a signal.

        Raises Untrue when `seconds` have passed in which `mark`, the progress, did not change.
        """
        last, deadline = mark(), self._clock() + seconds
        while (seen := look()) is None:
            if mark() != last:
                last, deadline = mark(), self._clock() + seconds
            if self._clock() >= deadline:
                self.require(name, False, f"no progress for {seconds:.0f} s")
            if self._stop.wait(POLL_SECONDS):
                raise Stopped
        return seen

    def summary(self) -> None:
        """All checks as one table."""
        rows = [
            [c.name, "yes" if c.passed else "NO", f"{c.seconds:.0f} s", _short(c.words)]
            for c in self.checks
        ]
        self.terminal.say()
        self.terminal.table(["check", "true", "at", "seen"], rows)


def _short(words: str) -> str:
    return words if len(words) <= TABLE_WIDTH else words[: TABLE_WIDTH - 1].rstrip() + "…"
