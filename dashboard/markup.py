"""Small pieces of HTML. Every text goes through `html.escape`, so hostile text shows as text.

A real <table> wraps long words, reads well in a screen reader and, unlike Streamlit's own table,
takes no markdown from its cells. The classes are those of style.css.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

Tone = Literal["good", "bad", "warn", "calm"]
Kind = Literal["text", "number", "code", "prose"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its text, a small second line, a pill around it, or a bar (0 to 1) below it."""

    text: str
    kind: Kind = "text"
    sub: str = ""
    tone: Tone | None = None
    bar: float | None = None
    mark: float | None = None


Column = str | Cell


def table(heads: Sequence[str], rows: Sequence[Sequence[Column]], about: str) -> str:
    """A table; `about` tells a screen reader what it holds."""
    first = rows[0] if rows else ()
    kinds = [cell.kind if isinstance(cell, Cell) else "text" for cell in first]
    kinds += ["text"] * (len(heads) - len(kinds))
    top = "".join(
        f'<th scope="col" class="dl-{kind}">{escape(head)}</th>'
        for head, kind in zip(heads, kinds, strict=True)
    )
    body = "".join(f"<tr>{''.join(map(_td, row))}</tr>" for row in rows)
    return (
        f'<div class="dl-scroll"><table class="dl-table" aria-label="{escape(about)}">'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _td(column: Column) -> str:
    cell = column if isinstance(column, Cell) else Cell(column)
    text = pill(cell.text, cell.tone) if cell.tone else escape(cell.text)
    sub = f'<div class="dl-sub">{escape(cell.sub)}</div>' if cell.sub else ""
    drawn = _bar(cell.bar, cell.mark) if cell.bar is not None else ""
    return f'<td class="dl-{cell.kind}">{text}{sub}{drawn}</td>'


def _bar(part: float, mark: float | None) -> str:
    width = 100 * min(max(part, 0.0), 1.0)
    line = f'<i style="left:{100 * mark:.1f}%"></i>' if mark is not None else ""
    return f'<div class="dl-bar"><b style="width:{width:.1f}%"></b>{line}</div>'


def pill(text: str, tone: Tone) -> str:
    return f'<span class="dl-pill dl-{tone}">{escape(text)}</span>'


def pill_cell(text: str, tone: Tone) -> Cell:
    return Cell(text, tone=tone)


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """A line of labelled values; pairs without a value are left out."""
    kept = [(name, value) for name, value in pairs if value]
    body = "".join(f"<div><dt>{escape(n)}</dt><dd>{escape(v)}</dd></div>" for n, v in kept)
    return f'<dl class="dl-facts">{body}</dl>'


def message(role: str, text: str) -> str:
    """One chat message, its line breaks kept."""
    return (
        f'<div class="dl-message"><div class="dl-role">{escape(role)}</div>'
        f'<div class="dl-body">{escape(text)}</div></div>'
    )


def quote(text: str) -> str:
    """A text as it is, its line breaks kept."""
    return f'<div class="dl-body dl-quote">{escape(text)}</div>'


def banner(title: str, text: str, tone: Tone) -> str:
    """The one thing to take away from a page."""
    return (
        f'<div class="dl-banner dl-{tone}" role="status"><strong>{escape(title)}</strong>'
        f"<div>{escape(text)}</div></div>"
    )


def steps(names: Sequence[str], reached: int, end: str, tone: Tone) -> str:
    """Stages in order; those before `reached` are done, that one is under way. `end` closes."""
    marks = ["✔" if n < reached else "●" if n == reached else "○" for n in range(len(names))]
    states = ["done" if n < reached else "now" if n == reached else "later" for n in range(99)]
    items = "".join(
        f'<li class="dl-{state}"><b aria-hidden="true">{mark}</b>{escape(name)}</li>'
        for name, mark, state in zip(names, marks, states, strict=False)
    )
    last = f"<li>{pill(end, tone)}</li>" if end else ""
    return f'<ol class="dl-steps">{items}{last}</ol>'


@dataclass(frozen=True, slots=True)
class Span:
    """A row of a waterfall: where it starts and how long it is, as shares of the whole.

    orphan: it has a parent, which is not among the rows (on another page, or never sent).
    """

    label: str
    depth: int
    orphan: bool
    start: float
    width: float
    took: str
    failed: bool
    chosen: bool


ORPHAN = '<abbr title="Its parent is not among these spans">↑</abbr> '


def waterfall(spans: Sequence[Span]) -> str:
    """The spans of a trace over its time."""
    return f'<div class="dl-waterfall">{"".join(map(_waterfall_row, spans))}</div>'


def _waterfall_row(span: Span) -> str:
    classes = " ".join(["dl-span"] + ["dl-failed"] * span.failed + ["dl-chosen"] * span.chosen)
    state = " ✘ error" if span.failed else ""
    above = ORPHAN if span.orphan else ""
    indent = f"padding-left:{span.depth * 1.1:.1f}rem"
    return (
        f'<div class="{classes}"><div class="dl-label" style="{indent}">{above}{escape(span.label)}'
        f'<em>{state}</em></div><div class="dl-track"><b style="left:'
        f'{100 * span.start:.2f}%;width:{100 * max(span.width, 0.004):.2f}%"></b></div>'
        f'<div class="dl-took">{escape(span.took)}</div></div>'
    )
