"""Write the tables of all metrics' cards into docs/metrics.md, between its two markers.

    .venv/bin/python tools/write_metrics_docs.py

Only what ships with Driftline is written, whatever else is installed here. tests/metrics/
test_catalog.py fails while the page differs from the cards.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from driftline.metrics.catalog import Entry, built_in
from driftline.sdk.choice import range_words

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
BEGIN = "<!-- metrics: begin (tools/write_metrics_docs.py) -->"
END = "<!-- metrics: end -->"
HEAD = "| metric | formula, source | needs, cost | range | when it lies |\n|---|---|---|---|---|\n"


def tables() -> str:
    """A table of cards for each group, in the order of the catalogue."""
    found = sorted(built_in().entries.values(), key=lambda entry: entry.group)
    parts = []
    for group, entries in groupby(found, lambda entry: entry.group):
        parts.append(f"### {group}\n\n{HEAD}{''.join(map(row, entries))}")
    return "\n".join(parts)


def row(entry: Entry) -> str:
    card = entry.card
    unit = "" if card.unit in ("1", "vector") else f" {card.unit}"
    bounds = "a vector" if card.unit == "vector" else range_words(card.low, card.high) + unit
    state = "" if card.default else "; off by default"
    cells = (
        f"`{card.name}`, version {card.version}{state}",
        f"{card.title}: {card.formula} ({card.source})",
        f"{card.needs}; {card.cost}",
        bounds,
        card.lies,
    )
    return f"| {' | '.join(map(cell, cells))} |\n"


def cell(text: str) -> str:
    """A text that neither ends the cell nor becomes HTML."""
    return text.replace("\n", " ").replace("|", "\\|").replace("<", "&lt;")


def written(page: str) -> str:
    """The page with today's tables. Raises ValueError without the markers."""
    head, found, rest = page.partition(BEGIN)
    _, closed, tail = rest.partition(END)
    if not found or not closed:
        raise ValueError(f"{PAGE} must hold {BEGIN} and, after it, {END}")
    return f"{head}{BEGIN}\n\n{tables()}\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
