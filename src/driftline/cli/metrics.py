"""metrics: what the workers can compute, what each number means, what a project wants of it."""

from __future__ import annotations

import argparse

from driftline.sdk.api import Api
from driftline.sdk.choice import range_words, turned, unknown
from driftline.sdk.errors import ConfigError
from driftline.sdk.records import MetricCard
from driftline.terminal import Terminal

from .command import Command, connect_project
from .output import Column, show_list, show_one

COLUMNS: list[Column[MetricCard]] = [
    ("name", lambda c: c.name),
    ("on", lambda c: c.on),
    ("group", lambda c: c.group),
    ("range", lambda c: range_words(c.low, c.high)),
    ("needs", lambda c: c.needs),
    ("cost", lambda c: c.cost),
]
CARD: list[Column[MetricCard]] = [
    ("name", lambda c: c.name),
    ("title", lambda c: c.title),
    ("on in this project", lambda c: c.on),
    ("on by default", lambda c: c.default),
    ("formula", lambda c: c.formula),
    ("source", lambda c: c.source),
    ("needs", lambda c: c.needs),
    ("range", lambda c: range_words(c.low, c.high)),
    ("unit", lambda c: c.unit),
    ("cost", lambda c: c.cost),
    ("when it lies", lambda c: c.lies),
    ("version", lambda c: c.version),
    ("from package", lambda c: c.package),
]
NONE = "no worker has said yet what it can compute: `driftline worker`, or `driftline up`"
LATER = "it holds for events scored from now on; for older ones: `driftline backfill --since 7d`"


def list_metrics(options: argparse.Namespace) -> int:
    found = connect_project(options).metrics()
    groups = sorted({card.group for card in found})
    if options.group and options.group.lower() not in map(str.lower, groups):
        raise ConfigError(f"no group {options.group!r}: {', '.join(groups)}")
    shown = [card for card in found if options.group.lower() in ("", card.group.lower())]
    return show_list(options, shown, COLUMNS, NONE)


def show(options: argparse.Namespace) -> int:
    found = {card.name: card for card in connect_project(options).metrics()}
    if options.name not in found:
        raise ConfigError(unknown(options.name, found) if found else NONE)
    return show_one(options, found[options.name], CARD)


def turn_on(options: argparse.Namespace) -> int:
    return _turn(options, on=True)


def turn_off(options: argparse.Namespace) -> int:
    return _turn(options, on=False)


def _turn(options: argparse.Namespace, *, on: bool) -> int:
    """Raises ConfigError for a name that no metric has; then nothing is changed."""
    api = connect_project(options)
    try:
        api.set_settings(turned(api.settings(), api.metrics(), options.names, on))
    except KeyError as error:
        raise ConfigError(str(error.args[0])) from None
    return _show_turned(options, api)


def _show_turned(options: argparse.Namespace, api: Api) -> int:
    shown = [card for card in api.metrics() if card.name in options.names]
    status = show_list(options, shown, COLUMNS, NONE)
    if not options.json:
        Terminal().say(LATER)
    return status


def _group(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--group", default="", help="only this group, such as Text or Safety")


def _name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="as `list` prints it")


def _names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="NAME", help="as `list` prints it")


COMMANDS = (
    Command(
        "metrics",
        "what is computed of each event, and what the numbers mean",
        "Each metric has a card: formula, source, range, cost, and when it lies. A project "
        "computes those that are on by default, plus and minus its own choice. See "
        "docs/metrics.md, which also says how to add one.",
        "driftline metrics list",
        children=(
            Command(
                "list",
                "all metrics that the workers can compute",
                "Those of other packages too, once a worker that has them was started.",
                "driftline metrics list --group Text",
                list_metrics,
                _group,
                connects=True,
            ),
            Command(
                "show",
                "one metric's card",
                "What the number means, where it is from, and when not to believe it.",
                "driftline metrics show response_repetition",
                show,
                _name,
                connects=True,
            ),
            Command(
                "on",
                "compute metrics that are off",
                "For the events that are scored from now on; `driftline backfill` computes them "
                "for older ones.",
                "driftline metrics on response_words response_sentences",
                turn_on,
                _names,
                connects=True,
            ),
            Command(
                "off",
                "stop computing metrics",
                "Values that are stored stay. Without the perplexities, or the hallucination "
                "metrics, or the embeddings, a worker spares their whole cost; drift signals of "
                "what is off say that there is not enough data.",
                "driftline metrics off prompt_perplexity prompt_bits_per_byte",
                turn_off,
                _names,
                connects=True,
            ),
        ),
    ),
)
