"""retention, delete: what a project keeps, and a person who asks to be forgotten."""

from __future__ import annotations

import argparse
import dataclasses

from driftline.sdk.errors import ConfigError
from driftline.sdk.records import RetentionWeek

from .command import SLOW_SECONDS, Command, add_connection, connect_project
from .output import Column, show_facts, show_list

FATES = {"keep": "kept", "drop": "goes with the next run", "held": "held"}
WEEK_COLUMNS: list[Column[RetentionWeek]] = [
    ("week of", lambda w: w.week),
    ("events", lambda w: w.events),
    ("megabytes", lambda w: f"{w.bytes / 1e6:.1f}"),
    ("", lambda w: f"{FATES[w.fate]} by {w.reason}" if w.reason else FATES[w.fate]),
]


def show(options: argparse.Namespace) -> int:
    found = connect_project(options).retention()
    days = f"{found.retention_days} days" if found.retention_days else "everything"
    if not options.json:
        show_facts(options, {"this project keeps": days})
    return show_list(options, found.weeks, WEEK_COLUMNS, "nothing is stored")


def set_days(options: argparse.Namespace) -> int:
    api = connect_project(options)
    settings = dataclasses.replace(api.settings(), retention_days=options.days)
    return show_facts(options, {"retention_days": api.set_settings(settings).retention_days})


def run(options: argparse.Namespace) -> int:
    dropped = connect_project(options, SLOW_SECONDS).run_retention()
    return show_facts(options, {"weeks dropped": dropped or "none"})


def delete(options: argparse.Namespace) -> int:
    """Exit status 1 when the bytes have not left the disk yet."""
    if not options.user:
        raise ConfigError("--user must name somebody")
    if not options.yes and not _sure(options.user):
        raise ConfigError("nothing was deleted; --yes deletes without asking")
    done = connect_project(options, SLOW_SECONDS).delete_user(options.user)
    bytes_gone = "yes" if done.erased else "not yet: run the same command again"
    facts: dict[str, object] = {
        "events": done.events,
        "scores": done.scores,
        "embeddings": done.embeddings,
        "weeks": done.weeks,
        "gone from the disk": bytes_gone,
        "audit": done.id,
    }
    show_facts(options, facts)
    return 0 if done.erased else 1


def _sure(user: str) -> bool:
    try:
        return input(f"Delete everything of {user!r}, for good? [y/N] ").strip().lower() == "y"
    except EOFError:
        return False


def _days(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("days", type=int, help="0 keeps everything")
    add_connection(parser)


def _user(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", required=True, help="the user id as events carry it")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    add_connection(parser)


COMMANDS = (
    Command(
        "retention",
        "how long a project's events are kept",
        "Events, scores and embeddings are kept by week; weeks that are over go whole, within ten "
        "minutes, with their charts and drift results. See docs/retention.md.",
        "driftline retention set 90 --project shop",
        children=(
            Command(
                "show",
                "what is stored by week, and what becomes of it",
                "A week is held while the drift reference, a window or a job needs its events.",
                "driftline retention show --project shop",
                show,
                add_connection,
            ),
            Command(
                "set",
                "keep events for so many days",
                "The next run, within ten minutes, drops the weeks that are over then.",
                "driftline retention set 90 --project shop",
                set_days,
                _days,
            ),
            Command(
                "run",
                "drop now what is over",
                "The collector does so every ten minutes by itself.",
                "driftline retention run --project shop",
                run,
                add_connection,
            ),
        ),
    ),
    Command(
        "delete",
        "remove everything of a user (privacy request)",
        "Events that name the user, those of the same traces that name nobody, their scores, "
        "vectors, charts and traces in incidents and reports; from the disk too. Retries that "
        "come late are refused. Exit status 1 when old parts are still on the disk.",
        "driftline delete --user ada@example.com --project shop",
        delete,
        _user,
    ),
)
