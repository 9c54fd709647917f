"""Things with a shape: numbers, e-mail addresses, links, hashtags, mentions, acronyms, dates.

Every pattern is linear on any text: it starts only where a run starts (a look-behind of one
character), and its repetitions are bounded, possessive, or followed by nothing.
"""

from __future__ import annotations

import re

from driftline.metrics.metric import Metric

from .sides import Side, descriptor

NUMBER = re.compile(r"(?<!\w)(?<![\w][.,])\d+(?:[.,]\d+)*")
EMAIL = re.compile(
    r"(?<=[\w.+%-])@[^\W_](?:[\w-]{0,62})(?:\.[^\W_][\w-]{0,62}){0,8}\.[^\W\d_]{2,24}(?![\w-])"
)
LINK = re.compile(r"(?<![\w@])(?:https?://|ftp://|www\.)[^\s<>\"'`]{2,}+", re.IGNORECASE)
HASHTAG = re.compile(r"(?<![\w&#/])#[\d_]*+[^\W\d_]\w*+")
MENTION = re.compile(r"(?<![\w@./+%-])@[^\W\d]\w*+")
ACRONYM = re.compile(
    r"(?<!\w)(?:[A-Z](?:\.[A-Z]){1,12}\.?|[A-Z][A-Z0-9]{0,10}[A-Z][A-Z0-9]{0,2}s?(?!\w))"
)
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY, _YEAR, _GAP = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:1[0-9]|20)\d\d", r"[ \u00a0]{1,2}"
_DAY_NAME = rf"{_DAY}(?:st|nd|rd|th)?"
DATE = re.compile(
    rf"(?<![\w.])(?<!\d[-/])(?:"
    rf"{_YEAR}([-/.])(?:0?[1-9]|1[0-2])\1{_DAY}"
    rf"|{_DAY}/{_DAY}/(?:{_YEAR}|\d\d)"
    rf"|{_DAY}([-.]){_DAY}\2{_YEAR}"
    rf"|{_DAY_NAME}{_GAP}(?:of{_GAP})?{_MONTH}(?:,?{_GAP}{_YEAR})?"
    rf"|{_MONTH}{_GAP}{_DAY_NAME}(?:,?{_GAP}{_YEAR})?"
    rf"|{_MONTH}{_GAP}{_YEAR}"
    r")(?!\w)(?![-/]\d)",
    re.IGNORECASE | re.ASCII,
)


def count_of(pattern: re.Pattern[str], text: str) -> int:
    return sum(1 for _ in pattern.finditer(text))


def number_count(text: str) -> int:
    """Runs of digits, with , and . inside; those inside a word (GPT4) are none."""
    return count_of(NUMBER, text)


def email_count(text: str) -> int:
    return count_of(EMAIL, text)


def link_count(text: str) -> int:
    return count_of(LINK, text)


def hashtag_count(text: str) -> int:
    return count_of(HASHTAG, text)


def mention_count(text: str) -> int:
    return count_of(MENTION, text)


def acronym_count(text: str) -> int:
    return count_of(ACRONYM, text)


def date_count(text: str) -> int:
    return count_of(DATE, text)


def _links(side: Side, default: bool = False) -> Metric:
    return descriptor(
        "link_count", f"Links in the {side}", link_count, side=side, unit="link", default=default,
        formula="http://, https://, ftp:// or www. and at least two characters",
        lies="bare host names are not seen; whether a link leads anywhere is not asked",
    )  # fmt: skip


PATTERNS = (
    descriptor(
        "number_count", "Numbers", number_count, unit="number", default=True,
        formula="runs of digits, joined over , and .; none that follows a letter",
        lies="a date is several numbers; numbers in words (seven) are not seen",
    ),
    descriptor(
        "email_count", "E-mail addresses", email_count, unit="address",
        formula="name@host.domain, host and domain of any script",
        lies="addresses are not checked to exist; spelled-out ones (at, dot) are not seen",
    ),
    _links("response", default=True),
    _links("prompt"),
    descriptor(
        "hashtag_count", "Hashtags", hashtag_count, unit="hashtag",
        formula="# and a run of word characters with a letter, not inside a word or link",
        lies="#fff and #include look like hashtags; a Markdown heading does not",
    ),
    descriptor(
        "mention_count", "Mentions", mention_count, unit="mention",
        formula="@ and a name, not inside a word or address",
        lies="decorators of code (@property) look like mentions",
    ),
    descriptor(
        "acronym_count", "Acronyms", acronym_count, unit="acronym",
        formula="2 to 14 capitals A-Z and digits with two capitals (also plural), or U.S.A.",
        lies="shouted words and constants of code look like acronyms; Latin capitals only",
    ),
    descriptor(
        "date_count", "Dates", date_count, unit="date",
        formula="2026-11-21, 21/11/26, 21.11.2026, 21 November 2026, Nov 21st, May 2026",
        lies="English month names only; 13/13/99 is taken for one; `may 12` of a sentence too",
    ),
)  # fmt: skip
