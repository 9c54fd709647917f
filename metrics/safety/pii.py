"""Personal data in a text: what the SDK redacts; names, addresses, dates of birth, SSNs.

What is found is marked, counted and named by kind; nothing of it is repeated in an explanation.
docs/safety.md has precision and recall by kind. Not looked for: dates, ages, jobs, nationalities,
places and organisations on their own, which are about everybody as often as about somebody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from driftline.sdk.redact_kinds import KINDS

from .addresses import addresses
from .names import names
from .places import Finder, Place, find

SSN = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\w-])")
_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    r"|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"
)
BIRTH = re.compile(
    r"(?i)\b(?:born(?: on)?|(?:birthday|birth ?date|date of birth)(?: is)?|d\.?o\.?b\.?)"
    r"\s{0,2}[:=]?\s{0,2}(?P<date>\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}-\d\d-\d\d"
    rf"|{_MONTH}\.? \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}"
    rf"|\d{{1,2}}(?:st|nd|rd|th)? {_MONTH},? \d{{4}})"
    r"(?!\d)"
)


CALLED = re.compile(
    r"(?i)\b(?:phone|telephone|tel|fax|mobile|cell|call(?: me| us| him| her| them)?|reach)"
    r"(?: number)?(?: is| at| on)?[.:]{0,1}\s{0,2}(?P<number>\+?\(?\d[\d ().-]{5,18}\d)(?![\w/])"
)
MIN_PHONE_DIGITS, MAX_PHONE_DIGITS = 7, 15


def phones(text: str) -> Iterator[tuple[int, int]]:
    """What the SDK finds, and shorter or unusual numbers after a word like `call`."""
    yield from KINDS["phone"](text)
    for match in CALLED.finditer(text):
        digits = sum(map(str.isdigit, match["number"]))
        if MIN_PHONE_DIGITS <= digits <= MAX_PHONE_DIGITS:
            yield match.span("number")


def ssns(text: str) -> Iterator[tuple[int, int]]:
    """Numbers of social security of the United States, in their ranges, with hyphens."""
    return (match.span() for match in SSN.finditer(text))


def birth_dates(text: str) -> Iterator[tuple[int, int]]:
    """A date after a word that says that somebody was born then."""
    return (match.span("date") for match in BIRTH.finditer(text))


PII: dict[str, Finder] = {  # of two that overlap, the earlier names the place
    "ssn": ssns,
    **{kind: finder for kind, finder in KINDS.items() if kind != "key"},
    "phone": phones,
    "birth date": birth_dates,
    "address": addresses,
    "name": names,
}


def personal_data(text: str) -> list[Place]:
    """Where the text holds personal data, in order, without overlaps."""
    return find(PII, text)
