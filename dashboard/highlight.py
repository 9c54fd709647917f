"""Model output with its suspicious parts marked, as HTML that shows hostile text as text.

Every character of the text goes through `html.escape`; the only markup is our own. A marked part
has a background, a wavy
underline and a label, so that it does not depend on colour.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from driftline.sdk.records import TextSpan

BOX = (
    "white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.65;font-size:0.95rem;"
    "border-left:3px solid rgba(128,128,128,.35);padding:.25rem 0 .25rem .9rem"
)
MARK = (
    "background:rgba(230,159,0,.28);color:inherit;border-radius:3px;padding:0 .1em;"
    "text-decoration:underline wavy #d55e00 1.5px;text-underline-offset:3px"
)
LABEL = "font-size:.7rem;font-weight:600;opacity:.8;margin-left:.2em;white-space:nowrap"


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the text; `span` is what marks it, if anything does."""

    text: str
    span: TextSpan | None


def parts(text: str, spans: Sequence[TextSpan]) -> list[Part]:
    """The text cut at the spans; overlapping or impossible spans are left out."""
    found: list[Part] = []
    position = 0
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if not position <= span.start < span.end <= len(text):
            continue
        if span.start > position:
            found.append(Part(text[position : span.start], None))
        found.append(Part(text[span.start : span.end], span))
        position = span.end
    if position < len(text) or not found:
        found.append(Part(text[position:], None))
    return found


def highlighted(text: str, spans: Sequence[TextSpan]) -> str:
    """The HTML of a text with its spans marked."""
    body = "".join(_html(part) for part in parts(text, spans))
    return f'<div style="{BOX}">{body}</div>'


def _html(part: Part) -> str:
    text = html.escape(part.text)
    if part.span is None:
        return text
    label = f"{html.escape(part.span.label or 'suspicious')} {part.span.score:.2f}"
    return f'<mark style="{MARK}">{text}</mark><span style="{LABEL}">[{label}]</span>'
