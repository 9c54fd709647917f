"""What a command prints: tables for people, JSON for machines."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from driftline.sdk.records import encode
from driftline.terminal import Terminal

T = TypeVar("T")
Column = tuple[str, Callable[[T], object]]


def show_list(
    options: argparse.Namespace, records: Sequence[T], columns: Sequence[Column[T]], none: str
) -> int:
    """Records as a table (or `none`, a sentence, when there are none), or as a JSON array."""
    if options.json:
        print(json.dumps([encode(record) for record in records], indent=2))
    elif not records:
        Terminal().say(none)
    else:
        rows = [[_cell(value(record)) for _, value in columns] for record in records]
        Terminal().table([name for name, _ in columns], rows)
    return 0


def show_one(options: argparse.Namespace, record: T, columns: Sequence[Column[T]]) -> int:
    """One record as lines of name and value, or as a JSON object."""
    if options.json:
        print(json.dumps(encode(record), indent=2))
        return 0
    terminal = Terminal()
    width = max(len(name) for name, _ in columns)
    for name, value in columns:
        terminal.say(f"{name.ljust(width)}  {_cell(value(record))}".rstrip())
    return 0


def show_facts(options: argparse.Namespace, facts: dict[str, object]) -> int:
    """Names and values that are no record."""
    if options.json:
        print(json.dumps(facts, indent=2))
        return 0
    width = max(map(len, facts))
    for name, value in facts.items():
        Terminal().say(f"{name.ljust(width)}  {_cell(value)}".rstrip())
    return 0


def _cell(value: object) -> str:
    if value is None:
        return "not enough data"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)
