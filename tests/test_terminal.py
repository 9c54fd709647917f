"""Plain lines for files, bars and colours on a terminal, control characters never."""

import io
import os
import pty
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import pytest

from driftline.terminal import Terminal, printable


def test_control_characters_of_foreign_text_do_not_reach_the_screen() -> None:
    assert printable("a\x1b[31mb\rc\nd\u202ee") == "a [31mb c\nd e"


def test_a_plain_table_is_aligned_and_keeps_a_record_on_a_line() -> None:
    stream = io.StringIO()
    Terminal(stream).table(["id", "title"], [["1", "two\nlines"], ["long", "x"]])
    assert stream.getvalue().splitlines() == ["id    title", "1     two lines", "long  x"]


def test_a_plain_bar_speaks_at_every_fifth_and_at_the_end() -> None:
    stream = io.StringIO()
    with Terminal(stream).bar("scored", 100) as bar:
        for done in range(101):
            bar.to(done)
    spoken = [line.split()[1] for line in stream.getvalue().splitlines()]
    assert spoken[0] == "0/100" and spoken[-1] == "100/100"
    assert len(spoken) == 6


@contextmanager
def screen() -> Iterator[tuple[TextIO, list[bytes]]]:
    """A pseudo-terminal, and what was written to it once the block is over."""
    master, slave = pty.openpty()
    seen: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(master, 65536):
                seen.append(data)
        except OSError:  # EIO: the other side is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(slave, "w") as stream:
        yield stream, seen
    reader.join()
    os.close(master)


def test_on_a_terminal_it_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with screen() as (stream, seen):
        terminal = Terminal(stream)
        assert not terminal.plain
        terminal.say("[bold]not markup[/bold]", "red")
        terminal.table(["name"], [["\x1b[2Jshop"]])
        with terminal.bar("scored", 10) as bar:
            bar.to(10, "done")
    text = b"".join(seen).decode()
    assert "\x1b[31m[bold]not markup[/bold]" in text
    assert "\x1b[2J" not in text and "[2Jshop" in text
    assert "━" in text and "10/10" in text
