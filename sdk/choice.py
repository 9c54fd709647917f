"""Which metrics a project computes: those that are on by default, plus and minus its own choice.

The choice is two lists of names in the project's settings. A metric that is new in a later version
is then on or off as its card says, without anybody's doing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from difflib import get_close_matches

from .records import MetricCard, ProjectSettings

SUGGESTIONS = 3


def is_on(name: str, default: bool, on: Collection[str], off: Collection[str]) -> bool:
    """Whether a metric is computed for a project that chose so."""
    return name not in off and (default or name in on)


def turned(
    settings: ProjectSettings, cards: Iterable[MetricCard], names: Iterable[str], on: bool
) -> ProjectSettings:
    """The settings with those metrics on, or off. Raises KeyError, saying what is near, of a name
    that no card has.
    """
    known = {card.name: card for card in cards}
    chosen_on, chosen_off = dict.fromkeys(settings.metrics_on), dict.fromkeys(settings.metrics_off)
    for name in names:
        if name not in known:
            raise KeyError(unknown(name, known))
        chosen_on.pop(name, None)
        chosen_off.pop(name, None)
        if on != known[name].default:
            (chosen_on if on else chosen_off)[name] = None
    return replace(settings, metrics_on=list(chosen_on), metrics_off=list(chosen_off))


def unknown(name: str, known: Iterable[str]) -> str:
    """That there is no such metric, and which names are near."""
    near = get_close_matches(name[:200], list(known), SUGGESTIONS)
    return f"there is no metric {name[:100]!r}" + (f": did you mean {_or(near)}?" if near else "")


def _or(names: list[str]) -> str:
    return " or ".join(names)


def range_words(low: float | None, high: float | None) -> str:
    """The range of a metric: `≥ 0`, `0 to 1`, or `any number`."""
    if low is None:
        return "any number" if high is None else f"≤ {high:g}"
    return f"≥ {low:g}" if high is None else f"{low:g} to {high:g}"
