"""workers, quarantine: who computes the metrics, and which events they could not score."""

from __future__ import annotations

import argparse

from driftline.sdk.errors import ConfigError
from driftline.sdk.records import Quarantined, WorkerStatus

from .command import Command, add_connection, connect_project, moment
from .output import Column, show_facts, show_list

PAGE = 500
WORKER_COLUMNS: list[Column[WorkerStatus]] = [
    ("name", lambda w: w.report.name),
    ("state", lambda w: "silent" if w.silent else w.report.state),
    ("device", lambda w: w.report.device),
    ("busy", lambda w: f"{100 * w.report.busy_share:.0f} %"),
    ("lag s", lambda w: f"{w.report.lag_seconds:.1f}"),
    ("tokens/s", lambda w: f"{w.report.tokens_per_second:.0f}"),
    ("scored", lambda w: w.report.events_scored),
    ("failed", lambda w: w.report.events_failed),
    ("$/1,000", lambda w: w.report.cost_per_1000_events),
    ("last seen", lambda w: w.seen_at),
]
QUARANTINE_COLUMNS: list[Column[Quarantined]] = [
    ("event", lambda q: q.event_id),
    ("trace", lambda q: q.trace_id),
    ("since", lambda q: q.since),
    ("name", lambda q: q.name),
    ("model", lambda q: q.model),
    ("reason", lambda q: q.reason),
]


def list_workers(options: argparse.Namespace) -> int:
    found = connect_project(options).workers()
    none = "no worker reported within a day: start one with `driftline worker`"
    return show_list(options, found, WORKER_COLUMNS, none)


def list_quarantine(options: argparse.Namespace) -> int:
    api = connect_project(options)
    found = api.quarantine(start=options.since, end=options.until or "", limit=options.limit)
    return show_list(options, found, QUARANTINE_COLUMNS, "nothing is in quarantine")


def retry(options: argparse.Namespace) -> int:
    """Those that are named, or (--all) page by page until none is left in the span."""
    api = connect_project(options)
    if bool(options.id) == options.all:
        raise ConfigError("name the events to retry, or say --all")
    retried = sum(
        api.retry_quarantined(options.id[first : first + PAGE])
        for first in range(0, len(options.id), PAGE)
    )
    while options.all:
        found = api.quarantine(start=options.since, end=options.until or "", limit=PAGE)
        if not found:
            break
        retried += api.retry_quarantined([event.event_id for event in found])
    return show_facts(options, {"events to be tried again": retried})


def _span(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", type=moment, default=moment("30d"), help="(30d)")
    parser.add_argument("--until", type=moment, help="now")


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    _span(parser)
    parser.add_argument("--limit", type=int, default=100, help="at most so many (%(default)s)")
    add_connection(parser)


def _retry_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="*", help="events, as `quarantine list` shows them")
    parser.add_argument("--all", action="store_true", help="all of the span")
    _span(parser)
    add_connection(parser)


COMMANDS = (
    Command(
        "workers",
        "list the metric workers: how busy, how fast, how dear",
        "What each worker said of itself within the last day. Cost is known for workers that were "
        "started with --cost-per-hour.",
        "driftline workers",
        list_workers,
        connects=True,
    ),
    Command(
        "quarantine",
        "events that no worker could score: list them, try them again",
        "An event that failed three times, or took its worker down three times, each time alone, "
        "is left alone with the reason. After the cause is mended, retry puts it back.",
        "driftline quarantine list --since 7d",
        children=(
            Command(
                "list",
                "list the events, the newest failure first",
                "With the reason that the last attempt gave.",
                "driftline quarantine list --since 7d --json",
                list_quarantine,
                _list_arguments,
            ),
            Command(
                "retry",
                "let workers try events again",
                "Each is tried alone, three times at most.",
                "driftline quarantine retry --all --since 7d",
                retry,
                _retry_arguments,
            ),
        ),
    ),
)
