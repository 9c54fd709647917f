"""Sentences of a text with their offsets: `text[s.start:s.end]` is the sentence, always.

Line ends and list items are boundaries; `1.` and `e.g.` are not. No language is assumed beyond a
list of English abbreviations; other scripts end sentences with their own marks. Linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ABBREVIATIONS = """
mr mrs ms dr prof rev hon st sr jr vs etc e.g i.e eg ie cf al fig figs no nos vol p pp ed eds
approx inc ltd co corp dept est gen gov sen rep lt col sgt jan feb mar apr jun jul aug sep sept
oct nov dec mon tue wed thu fri sat sun a.m p.m u.s u.k u.n d.c ph.d min max tsp tbsp oz lb lbs
ft hr hrs sec cal deg ave blvd rd mt
"""
ABBREVIATIONS = frozenset(_ABBREVIATIONS.split())
# A run of end marks, then closing quotes and brackets. CJK marks need no space after them.
# Possessive, and only from the first mark of a run: a megabyte of dots stays linear.
ENDING = re.compile(
    r"(?<![.!?…؟।])[.!?…؟।]++[\"'”’»)\]]*+(?=\s)|(?<![。！？])[。！？]++[」』”’）]*+"
)
BREAK = re.compile(r"\n+|\r+|\u2028|\u2029")
OPENING = "([{\"'“‘«*_"
WORD = re.compile(r"\w")
# 350 degrees F. Then: the one capital that ends a sentence more often than it begins a name.
LETTER_THAT_ENDS = re.compile(
    r"(?:\d|degrees?|°|vitamin|passage|option|type) ?[A-Z]$", re.IGNORECASE
)
LOOK_BACK = 24  # characters: longer than any abbreviation or number that ends in a full stop
NUMBER_OF_A_LIST = re.compile(r"^[\s*•–-]*(?:\(?\d{1,3}|[A-Za-z]|[ivxIVX]{1,4})$")


@dataclass(frozen=True, slots=True)
class Sentence:
    """Characters [start, end) of a text."""

    start: int
    end: int
    text: str


def sentences(text: str) -> list[Sentence]:
    """The parts of `text` that hold a word, in order, without the white space around them."""
    return [made for start, end in _pieces(text) if (made := _trimmed(text, start, end))]


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for found in BREAK.finditer(text):
        yield from _in_line(text, start, found.start())
        start = found.end()
    yield from _in_line(text, start, len(text))


def _in_line(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    line_start = start
    for found in ENDING.finditer(text, line_start, end):
        if not _is_end(text, line_start, found.start(), found.group()):
            continue
        yield start, found.end()
        start = found.end()
    yield start, end


def _is_end(text: str, line_start: int, mark: int, marks: str) -> bool:
    """Whether the marks at `mark` end a sentence: not after an abbreviation or a list number."""
    if marks != ".":
        return True
    before = text[max(line_start, mark - LOOK_BACK) : mark]
    if mark - line_start <= LOOK_BACK and NUMBER_OF_A_LIST.match(before):
        return False
    word = before.split()[-1].lstrip(OPENING) if before.strip() else ""
    initial = _is_initial(word) and not LETTER_THAT_ENDS.search(before)
    return word.lower() not in ABBREVIATIONS and not initial


def _is_initial(word: str) -> bool:
    """One capital before a full stop: J. Smith."""
    return len(word) == 1 and word.isalpha() and word.isupper()


def _trimmed(text: str, start: int, end: int) -> Sentence | None:
    piece = text[start:end]
    left = start + len(piece) - len(piece.lstrip())
    right = left + len(piece.strip())
    made = text[left:right]
    return Sentence(left, right, made) if WORD.search(made) else None
