"""The command line teaches, and says by its exit status what happened."""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from driftline.cli.command import Command, moment
from driftline.cli.main import COMMANDS, main


def every_command(
    commands: tuple[Command, ...], prefix: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Command]]:
    for command in commands:
        words = (*prefix, command.name)
        yield words, command
        yield from every_command(command.children, words)


ALL = list(every_command(COMMANDS))


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key, no data directory, no collector."""
    for name in ("DRIFTLINE_URL", "DRIFTLINE_API_KEY", "DRIFTLINE_PROJECT", "DRIFTLINE_ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path))


@pytest.mark.parametrize(("words", "command"), ALL, ids=[" ".join(words) for words, _ in ALL])
def test_the_help_of_every_command_says_what_it_does_and_gives_an_example(
    words: tuple[str, ...], command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert command.text.split()[0] in text
    assert f"example:\n  {command.example}" in text
    assert len(command.text) >= 10 and len(command.example) > len(command.name)


def test_the_examples_are_commands_that_the_parser_knows() -> None:
    names = {words for words, _ in ALL}
    for _, command in ALL:
        called = command.example.split("driftline ", 1)[1].split()
        assert tuple(called[:1]) in names
        assert tuple(called[:1]) not in {w[:1] for w in names if len(w) == 2} or (
            tuple(called[:2]) in names
        )


@pytest.mark.parametrize(
    "words",
    [["fly"], ["monitor", "set", "--wings", "2"], ["keys", "create", "--scope", "all"], []],
    ids=" ".join,
)
def test_a_wrong_command_line_is_status_2(words: list[str]) -> None:
    try:
        status = main(words)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    assert status == 2


def test_a_missing_key_is_status_2_and_says_where_to_get_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["projects", "list"]) == 2
    assert f"{tmp_path}/admin.key is not readable" in capsys.readouterr().err


def test_an_absent_collector_is_status_1_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["projects", "list", "--key", "k", "--url", "http://127.0.0.1:9"]) == 1
    words = capsys.readouterr().err
    assert words.startswith("error: no answer from http://127.0.0.1:9")
    assert "driftline up" in words and words.count("\n") == 1


def test_a_url_that_is_none_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["projects", "list", "--key", "k", "--url", "localhost"]) == 2
    assert "not http(s)://" in capsys.readouterr().err


def test_health_without_a_collector_is_status_1_and_names_every_service(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["health", "--json", "--url", "http://127.0.0.1:9"]) == 1
    states = json.loads(capsys.readouterr().out)
    assert set(states) == {"collector", "worker", "trainer", "dashboard"}


def test_a_time_may_be_given_as_so_long_ago() -> None:
    assert moment("2026-01-31T12:00:00Z") == "2026-01-31T12:00:00+00:00"
    assert moment("2026-01-31") == "2026-01-31T00:00:00+00:00"
    assert moment("7d") < moment("24h") < moment("30m")
    with pytest.raises(argparse.ArgumentTypeError, match="neither a time"):
        moment("yesterday")


def test_the_command_line_starts_without_any_extra_package() -> None:
    """The bare install has the standard library only."""
    code = (
        "import sys; before = set(sys.modules); from driftline.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "new = {n: m for n, m in sys.modules.items() if n not in before}\n"
        "files = {n: str(getattr(m, '__file__', '')) for n, m in new.items()}\n"
        "print([n for n, f in files.items() if 'site-packages' in f], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
