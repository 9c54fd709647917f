"""Which words of a response surprised the scorer most: places to look at, not errors.

A token is surprising when the scorer gave it less than one chance in a thousand. What is marked is
the whole word around it; its score is that chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from driftline.sdk.records import TextSpan

SURPRISING_NATS = math.log(1000.0)
MAX_SPANS = 8  # of one response: enough to see what is odd, and a bound on what is stored
MAX_WORD_CHARACTERS = 32  # where words have no spaces between them only the token is marked
LABEL = "surprising"


def surprises(
    text: str, offsets: Sequence[tuple[int, int]], nll: Sequence[float], most: int = MAX_SPANS
) -> tuple[TextSpan, ...]:
    """The `most` most surprising words of `text`, in its order, none overlapping another.

    `offsets` are the characters [start, end) of each token, `nll` its surprise in nats.
    """
    scored = zip(nll, offsets, strict=True)
    odd = [item for item in scored if item[0] >= SURPRISING_NATS]  # and so no NaN
    found: list[TextSpan] = []
    for nats, (start, end) in sorted(odd, key=lambda item: -item[0]):
        if len(found) == most:
            break
        start, end = word_around(text, start, end)
        if text[start:end].strip() and not any(start < s.end and s.start < end for s in found):
            found.append(TextSpan(start, end, math.exp(-nats), LABEL))
    return tuple(sorted(found, key=lambda span: span.start))


def word_around(text: str, start: int, end: int) -> tuple[int, int]:
    """[start, end) without white space at its ends, widened over the letters and digits beside it.

    A word that is too long is left as it was.
    """
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    left, right = start, end
    if start < end and text[start].isalnum():
        while left > 0 and text[left - 1].isalnum() and right - left <= MAX_WORD_CHARACTERS:
            left -= 1
    if start < end and text[end - 1].isalnum():
        while right < len(text) and text[right].isalnum() and right - left <= MAX_WORD_CHARACTERS:
            right += 1
    return (left, right) if right - left <= MAX_WORD_CHARACTERS else (start, end)
