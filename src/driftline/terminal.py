"""Where a person reads: colour, bars and tables with `rich` on a terminal, plain lines elsewhere.

Everything printed passes through `printable`, so that a prompt or a title from the network cannot
move the cursor or recolour the screen.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

PLAIN_STEP = 0.2  # a plain bar speaks every fifth of its way,
PLAIN_SECONDS = 20.0  # or when it said nothing for so long


def printable(text: str) -> str:
    """`text` without control characters (newlines stay)."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


class Bar(Protocol):
    """A progress bar."""

    def to(self, done: float, note: str = "") -> None:
        """Show `done` of the total, and a few words beside it."""


class Terminal:
    """One output stream. `plain` is decided by the stream and by whether `rich` is installed."""

    def __init__(self, stream: TextIO | None = None, *, plain: bool | None = None) -> None:
        self._stream = stream or sys.stdout
        self._lock = threading.Lock()
        wanted = self._stream.isatty() if plain is None else not plain
        self._console = _rich_console(self._stream) if wanted else None

    @property
    def plain(self) -> bool:
        return self._console is None

    def say(self, text: str = "", style: str = "") -> None:
        """One line. `style` is a rich style such as "bold" or "red"; plain output ignores it."""
        with self._lock:
            if self._console is not None:
                self._console.print(printable(text), style=style or None, soft_wrap=True)
            else:
                print(printable(text), file=self._stream, flush=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
        """Rows under their columns' names."""
        if self._console is not None:
            self._rich_table(columns, rows, title)
            return
        if title:
            self.say(title)
        cells = [list(columns), *[[_one_line(cell) for cell in row] for row in rows]]
        widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
        for row in cells:
            padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.say("  ".join(padded).rstrip())

    @contextmanager
    def bar(self, label: str, total: float) -> Iterator[Bar]:
        """A progress bar for the time of the `with` block."""
        if self._console is None:
            yield _PlainBar(self, label, total)
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("  {task.description}", markup=False),
            BarColumn(bar_width=28),
            TextColumn("{task.completed:.0f}/{task.total:.0f}", markup=False),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False, style="dim"),
        )
        with Progress(*columns, console=self._console) as progress:
            yield _RichBar(progress, progress.add_task(label, total=total, note=""))

    def _rich_table(
        self, columns: Sequence[str], rows: Sequence[Sequence[str]], title: str
    ) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(*columns, title=title or None, title_justify="left", header_style="bold")
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        with self._lock:
            if self._console is not None:
                self._console.print(table)


class _RichBar:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def to(self, done: float, note: str = "") -> None:
        self._progress.update(self._task, completed=done, note=printable(note))


class _PlainBar:
    """Speaks now and then instead of drawing."""

    def __init__(self, terminal: Terminal, label: str, total: float) -> None:
        self._terminal = terminal
        self._label = label
        self._total = total
        self._started = time.monotonic()
        self._said_at = self._started
        self._said_share = -1.0

    def to(self, done: float, note: str = "") -> None:
        now = time.monotonic()
        share = done / self._total if self._total else 1.0
        finished = share >= 1.0 > self._said_share
        late = now - self._said_at >= PLAIN_SECONDS
        if not (finished or late or share - self._said_share >= PLAIN_STEP):
            return
        self._said_at, self._said_share = now, share
        words = f"  {self._label} {done:.0f}/{self._total:.0f} after {now - self._started:.0f} s"
        self._terminal.say(f"{words}  {_one_line(note)}".rstrip())


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _rich_console(stream: TextIO) -> Console | None:
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(file=stream, markup=False, highlight=False, emoji=False)
