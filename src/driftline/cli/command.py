"""What a command is, and the options that many of them share."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from driftline.sdk.api import Api
from driftline.sdk.calls import TIMEOUT_SECONDS
from driftline.sdk.errors import AuthError, ConfigError

DEFAULT_URL = "http://127.0.0.1:8400"
DEFAULT_HOME = Path(".driftline")
SLOW_SECONDS = 900.0  # for calls that rewrite what is stored
AGO = re.compile(r"(\d+)([smhdw])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

Run = Callable[[argparse.Namespace], int]
Arguments = Callable[[argparse.ArgumentParser], None]


def no_arguments(parser: argparse.ArgumentParser) -> None:
    """The command takes none of its own."""


@dataclass(frozen=True, slots=True)
class Command:
    """One word of the command line, or, with `children`, a group of them.

    `connects` adds the options of `connection`; with `passes_on`, arguments that are not known here
    reach the service in `options.rest`.
    """

    name: str
    summary: str
    text: str
    example: str
    run: Run | None = None
    arguments: Arguments = no_arguments
    connects: bool = False
    passes_on: bool = False
    children: tuple[Command, ...] = ()


def home() -> Path:
    """The data directory: DRIFTLINE_HOME, else ./.driftline."""
    return Path(os.environ.get("DRIFTLINE_HOME") or DEFAULT_HOME).absolute()


def add_connection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--url",
        default=os.environ.get("DRIFTLINE_URL") or DEFAULT_URL,
        help="the collector (env DRIFTLINE_URL; now %(default)s)",
    )
    group.add_argument(
        "--key", help="an API key (env DRIFTLINE_API_KEY; else the file $DRIFTLINE_HOME/admin.key)"
    )
    group.add_argument(
        "--project",
        default=os.environ.get("DRIFTLINE_PROJECT", ""),
        help="the project (env DRIFTLINE_PROJECT; not needed when there is only one)",
    )
    group.add_argument("--json", action="store_true", help="print JSON instead of a table")


def connect(options: argparse.Namespace, timeout_seconds: float = TIMEOUT_SECONDS) -> Api:
    """A client of the collector, on no project. Raises ConfigError when there is no key."""
    return Api(options.url, key_for(options.key), retries=1, timeout_seconds=timeout_seconds)


def connect_project(options: argparse.Namespace, timeout_seconds: float = TIMEOUT_SECONDS) -> Api:
    """A client on the chosen project, or on the only one. Raises ConfigError when unclear."""
    api = connect(options, timeout_seconds)
    if options.project:
        return api.for_project(options.project)
    try:
        names = [project.name for project in api.projects()]
    except AuthError:  # a project's own key: the collector knows its project
        return api
    if len(names) == 1:
        return api.for_project(names[0])
    if not names:
        raise ConfigError("there is no project yet: create one with `driftline projects create`")
    raise ConfigError(f"which project? Give --project with one of: {', '.join(sorted(names))}")


def key_for(given: str | None) -> str:
    """The key of the option, the environment, or the local data directory."""
    from driftline.supervisor.stack import admin_key

    return given or os.environ.get("DRIFTLINE_API_KEY") or admin_key(home())


def moment(text: str) -> str:
    """RFC 3339 of a time, or of a time ago such as 30m, 24h or 7d (an argparse type)."""
    if match := AGO.fullmatch(text):
        ago = dt.timedelta(**{UNITS[match[2]]: int(match[1])})
        return (dt.datetime.now(dt.UTC) - ago).isoformat()
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a time (2026-01-31T12:00:00Z) nor a time ago (30m, 24h, 7d)"
        ) from None
    return (time if time.tzinfo else time.replace(tzinfo=dt.UTC)).isoformat()
