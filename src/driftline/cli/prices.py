"""prices: what calls cost, and stored costs after a price has changed."""

from __future__ import annotations

import argparse
import datetime as dt

from driftline.sdk.records import CostRow
from driftline.terminal import Terminal

from .command import SLOW_SECONDS, Command, add_connection, connect_project, moment
from .output import Column, show_facts, show_list

COST_COLUMNS: list[Column[CostRow]] = [
    ("provider", lambda c: c.provider),
    ("model", lambda c: c.model),
    ("price from", lambda c: c.source or "unknown"),
    ("calls", lambda c: c.events),
    ("tokens in", lambda c: c.input_tokens),
    ("tokens out", lambda c: c.output_tokens),
    ("dollars", lambda c: "no price" if c.cost is None else f"{c.cost:.4f}"),
]
WEEK_SECONDS = 7 * 86400.0


def show(options: argparse.Namespace) -> int:
    found = connect_project(options).costs(start=options.since, end=options.until or moment("0s"))
    return show_list(options, found, COST_COLUMNS, "no model calls in that time")


def recompute(options: argparse.Namespace) -> int:
    """Week by week; interrupted, `--since` with the last week that was shown continues it."""
    api = connect_project(options, SLOW_SECONDS)
    start, end = options.since, options.until or moment("0s")
    first, last = dt.datetime.fromisoformat(start), dt.datetime.fromisoformat(end)
    weeks = (last - first).total_seconds() / WEEK_SECONDS
    examined = changed = 0
    cursor, terminal = "", Terminal()
    with terminal.bar("weeks", weeks) as bar:
        while True:
            done = api.recompute_costs(start, end, cursor)
            examined, changed, cursor = (
                examined + done.examined,
                changed + done.changed,
                done.cursor,
            )
            at = dt.datetime.fromisoformat(cursor) if cursor else last
            bar.to((at - first).total_seconds() / WEEK_SECONDS, f"through {at:%Y-%m-%d}")
            if not cursor:
                break
    return show_facts(options, {"calls without a sender's cost": examined, "changed": changed})


def _span(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--since", type=moment, default=moment("30d"), help="a time or a time ago (default: 30d)")
    add("--until", type=moment, help="default: now")
    add_connection(parser)


COMMANDS = (
    Command(
        "prices",
        "what calls cost; price stored calls again",
        "A call costs what its sender says, else the project's own price, else the public list "
        "that is bundled with the collector, at the time of the call. See docs/cost.md.",
        "driftline prices show --since 7d",
        children=(
            Command(
                "show",
                "what each model cost, those without a price first",
                "Calls, tokens and dollars by model and by whose price it is.",
                "driftline prices show --since 7d --project shop",
                show,
                _span,
            ),
            Command(
                "recompute",
                "price stored calls again, with today's prices and list",
                "Rewrites stored costs, week by week, and the charts with them; costs that senders "
                "gave stay. Running it twice changes nothing the second time, so an interrupted "
                "run is just started again.",
                "driftline prices recompute --since 30d --project shop",
                recompute,
                _span,
            ),
        ),
    ),
)
