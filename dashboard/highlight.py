"""Model output with its suspicious parts marked, as HTML that shows hostile text as text.

Every character of the text goes through `html.escape`; the only markup is our own. A marked part
has a background, a wavy underline and a label, so that it does not depend on colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from driftline.sdk.records import TextSpan


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


def highlighted(role: str, text: str, spans: Sequence[TextSpan]) -> str:
    """A message whose spans are marked."""
    body = "".join(_html(part) for part in parts(text, spans))
    return (
        f'<div class="dl-message"><div class="dl-role">{escape(role)}</div>'
        f'<div class="dl-body">{body}</div></div>'
    )


def _html(part: Part) -> str:
    text = escape(part.text)
    if part.span is None:
        return text
    flag = escape(f"{part.span.label or 'unsupported?'} {100 * part.span.score:.0f} %")
    return f'<mark>{text}</mark><span class="dl-flag">[{flag}]</span>'
