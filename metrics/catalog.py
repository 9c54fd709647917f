"""All metrics of this installation: those of the worker's stages, the functions of one event that
ship with Driftline, and those of other packages (entry point group `driftline.metrics`).

    catalog = installed()
    catalog.chosen(lease.metrics_on, lease.metrics_off)     # the names to compute
    catalog.problems                                        # entry points that were left out

A package whose metrics cannot be used is left out and named in `problems`: it never takes the
worker down. Importing this module imports no torch.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import get_args

from driftline.sdk.choice import is_on
from driftline.sdk.records import MetricCard

from .errors import MetricsError
from .metric import ENTRY_POINTS, Card, Cost, Metric, Needs
from .registry import EMBEDDINGS, STAGES, TEXT
from .text import well_formed

OWN_PACKAGE = "driftline"
NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
RESERVED = frozenset({"scored"})  # the collector's marker
MAX_CHARACTERS = 2000  # of each text of a card
MAX_PROBLEMS, MAX_PROBLEM_CHARACTERS = 100, 1000  # what a worker's report may hold
GROUPS = {"hallucination": "Hallucination", "embedding": "Embeddings", "perplexity": "Perplexity"}
# Functions of one event that ship with Driftline: group, module and its name for them.
OWN_MODULES = (
    ("Safety", "safety", "SAFETY"),
    ("Descriptors", "descriptors", "DESCRIPTORS"),
    ("Uncertainty", "uncertainty", "UNCERTAINTY"),
)


class CatalogError(MetricsError):
    """Two metrics of one name, or a card that says too little; the message says whose."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One metric: its card, its function (None where a stage computes it), and where it is from."""

    card: Card
    group: str
    package: str
    metric: Metric | None = None

    def record(self) -> MetricCard:
        """The card as the API speaks of it."""
        card = self.card
        return MetricCard(
            name=card.name,
            title=card.title,
            group=self.group,
            package=self.package,
            formula=card.formula,
            source=card.source,
            needs=card.needs,
            low=card.low,
            high=card.high,
            unit=card.unit,
            lies=card.lies,
            cost=card.cost,
            version=card.version,
            default=card.default,
            on=card.default,
        )


@dataclass(frozen=True)
class Catalog:
    """Entries by name, and the entry points that could not be used, in words."""

    entries: Mapping[str, Entry]
    problems: tuple[str, ...] = ()

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """The functions of one event, by name."""
        found = {name: entry.metric for name, entry in self.entries.items()}
        return {name: metric for name, metric in found.items() if metric is not None}

    @cached_property
    def beyond_content(self) -> frozenset[str]:
        """Those that may differ between two events of the same prompt, response and context."""
        more = ("the whole event", "token log-probabilities")
        return frozenset(name for name, metric in self.metrics.items() if metric.card.needs in more)

    @cached_property
    def defaults(self) -> frozenset[str]:
        """What a project computes that chose nothing."""
        return self.chosen((), ())

    def chosen(self, on: Collection[str], off: Collection[str]) -> frozenset[str]:
        """The names that a project computes that chose so; others than these it may have named."""
        every = ((entry.card.name, entry.card.default) for entry in self.entries.values())
        return frozenset(name for name, default in every if is_on(name, default, on, off))

    def version(self, name: str) -> str:
        return self.entries[name].card.version

    def records(self) -> list[MetricCard]:
        """All cards, as the API speaks of them, in the order of the catalogue."""
        return [entry.record() for entry in self.entries.values()]


@cache
def built_in() -> Catalog:
    """What ships with Driftline. Raises CatalogError."""
    found: dict[str, Entry] = {}
    for stage, cards in STAGES.items():
        _add(found, [Entry(card, GROUPS[stage], OWN_PACKAGE) for card in cards])
    _add(found, [Entry(metric.card, "Text", OWN_PACKAGE, metric) for metric in TEXT])
    for group, module, name in OWN_MODULES:
        metrics = _shipped(module, name)
        _add(found, [Entry(metric.card, group, OWN_PACKAGE, metric) for metric in metrics])
    return Catalog(found)


@cache
def installed() -> Catalog:
    """What ships with Driftline, and what other packages bring. Looks once."""
    return with_entry_points(built_in(), entry_points(group=ENTRY_POINTS))


def with_entry_points(catalog: Catalog, points: Iterable[EntryPoint]) -> Catalog:
    """A catalogue with the metrics of entry points as well; what cannot be used is a problem."""
    found, problems = dict(catalog.entries), list(catalog.problems)
    for point in sorted(points, key=lambda point: (_package(point), point.name)):
        try:
            _add(found, _entries(point))
        except CatalogError as error:
            words = f"entry point {point.name!r} of {_package(point)}: {error}"
            problems.append(well_formed(words)[:MAX_PROBLEM_CHARACTERS])
    return Catalog(found, tuple(problems[:MAX_PROBLEMS]))


def embeddings() -> frozenset[str]:
    """The names that stand for vectors, which have no score."""
    return frozenset(card.name for card in EMBEDDINGS)


# ---------------------------------------------------------------------- what is found


def _shipped(module: str, name: str) -> Sequence[Metric]:
    metrics: Sequence[Metric] = getattr(importlib.import_module(f"{__package__}.{module}"), name)
    return metrics


def _entries(point: EntryPoint) -> list[Entry]:
    """The metrics that an entry point names. Raises CatalogError, whatever is wrong with it."""
    try:
        loaded = point.load()
    except (Exception, SystemExit) as error:
        words = f"{type(error).__name__}: {error}"
        raise CatalogError(f"{point.value} cannot be imported ({words})") from error
    metrics = [loaded] if isinstance(loaded, Metric) else loaded
    if not isinstance(metrics, Sequence) or not all(isinstance(m, Metric) for m in metrics):
        raise CatalogError(
            f"{point.value} is neither a Metric nor a sequence of them: "
            "is the decorator @metric(...) missing?"
        )
    package = _package(point)
    return [Entry(metric.card, package, package, metric) for metric in metrics]


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value.partition(":")[0]


def _add(found: dict[str, Entry], entries: Sequence[Entry]) -> None:
    """Add all of them, or none. Raises CatalogError."""
    names: dict[str, Entry] = {}
    for entry in entries:
        name = entry.card.name
        problem = _problem(entry.card)
        if problem:
            raise CatalogError(f"metric {str(name)[:100]!r}: {problem}")
        if other := found.get(name) or names.get(name):
            raise CatalogError(
                f"metric {name!r} of {entry.package} has the name of one of {other.package}: "
                "rename it"
            )
        names[name] = entry
    found.update(names)


def _problem(card: Card) -> str:
    """What is wrong with a card, "" when nothing is."""
    if not isinstance(card.name, str) or not NAME.fullmatch(card.name) or card.name in RESERVED:
        return "a name is 1 to 100 of a-z, 0-9 and _, begins with a letter, and is not `scored`"
    texts = {
        "title": card.title,
        "formula": card.formula,
        "source": card.source,
        "unit": card.unit,
        "lies": card.lies,
        "version": card.version,
    }
    for field, said in texts.items():
        if not isinstance(said, str) or not 0 < len(said) <= MAX_CHARACTERS:
            return f"its card lacks `{field}` (1 to {MAX_CHARACTERS} characters)"
    if card.needs not in get_args(Needs):
        return f"`needs` is one of {', '.join(get_args(Needs))}"
    if card.cost not in get_args(Cost):
        return f"`cost` is one of {', '.join(get_args(Cost))}"
    if card.low is not None and card.high is not None and not card.low < card.high:
        return "`low` must be below `high`"
    return ""
