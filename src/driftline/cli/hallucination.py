"""hallucination: the rate of it, and labelling answers to be sure of the rate."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from driftline.sdk.errors import ConfigError
from driftline.sdk.records import Event, HallucinationRate
from driftline.terminal import Terminal

from .command import Command, connect_project, moment
from .output import Column, show_facts, show_one

SHOWN_CHARACTERS = 2000
QUESTION = "Does the answer say what the context does not support? y / n / s(kip) / q(uit)"
ANSWERS = {"y": 1.0, "n": 0.0}
RATE_COLUMNS: list[Column[HallucinationRate]] = [
    ("estimate", lambda r: r.estimate),
    ("95 % from", lambda r: r.low),
    ("95 % to", lambda r: r.high),
    ("answers", lambda r: r.n),
    ("labelled", lambda r: r.n_labelled),
    ("method", lambda r: r.method),
    ("note", lambda r: r.note),
]


def rate(options: argparse.Namespace) -> int:
    found = connect_project(options).hallucination_rate(
        start=options.since, end=options.until or ""
    )
    return show_one(options, found, RATE_COLUMNS)


def label(options: argparse.Namespace) -> int:
    """Show answers in random order and store what the person says of each, at once."""
    api = connect_project(options)
    ids = api.hallucination_unlabelled(
        start=options.since, end=options.until or "", limit=options.n
    )
    if not ids:
        raise ConfigError("no answer to label in this range: it takes a context and a worker")
    labelled = 0
    for number, (event, said) in enumerate(_asked(api.event_bodies(ids)), 1):
        if said is None:
            continue
        line = {"type": "score", "event_id": event.id, "name": "hallucination", "value": said}
        api.send_lines([{**line, "source": "human"}])
        labelled += 1
        Terminal(sys.stderr).say(f"stored ({number} of {len(ids)})")
    return show_facts(options, {"labelled": labelled})


def _asked(events: list[Event]) -> Iterator[tuple[Event, float | None]]:
    """Each event with 1, 0, or None where the person passed; ends at q or the end of the input."""
    terminal = Terminal(sys.stderr)
    for event in events:
        for words in _told(event):
            terminal.say(words)
        while True:
            terminal.say(QUESTION)
            said = sys.stdin.readline().strip().lower()[:1]
            if said in ("", "q"):
                return
            if said in (*ANSWERS, "s"):
                break
        yield event, ANSWERS.get(said)


def _told(event: Event) -> Iterator[str]:
    yield ""
    for number, document in enumerate(event.context, 1):
        yield f"[context {number}] {document[:SHOWN_CHARACTERS]}"
    for message in event.input[-1:]:
        yield f"[{message.role}] {message.content[:SHOWN_CHARACTERS]}"
    yield f"[answer] {event.output[:SHOWN_CHARACTERS]}"


def _range(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--since", type=moment, default=moment("7d"), help="time or time ago (default: 7d)")
    add("--until", type=moment, help="time or time ago (default: now)")


def _label(parser: argparse.ArgumentParser) -> None:
    _range(parser)
    parser.add_argument("-n", type=int, default=20, help="how many to show (%(default)s)")


COMMANDS = (
    Command(
        "hallucination",
        "how many answers hold a hallucination, and how sure that is",
        "The rate is an estimate: the detector's probability of every answer, corrected by what "
        "people say of some, once there are 20 labels (docs/hallucination_rate.md).",
        "driftline hallucination rate --since 7d",
        children=(
            Command(
                "rate",
                "the estimated share with its interval",
                "Says what it rests on: labels, or the detector's calibration alone.",
                "driftline hallucination rate --project shop --since 24h",
                rate,
                _range,
                connects=True,
            ),
            Command(
                "label",
                "read answers picked at random and say yes or no",
                "Shows context, question and answer, and asks. Whenever you stop, the "
                "labelled ones are a random sample, which is what the correction needs.",
                "driftline hallucination label --project shop -n 50",
                label,
                _label,
                connects=True,
            ),
        ),
    ),
)
