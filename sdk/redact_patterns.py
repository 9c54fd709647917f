"""A person's own patterns to redact: compiled, and refused when a text could make them slow.

Python's engine backtracks. From one place of a text it tries at most as many ways as the pattern
has paths: alternatives add, parts that follow each other multiply, a repeat has one way a count. A
pattern with at most MAX_PATHS, each at most MAX_WIDTH long, takes a time that grows as the text.
`*` and `+` have no bound, so they may stand only at the very end, after a part that is fixed, where
nothing that follows can fail.
"""

from __future__ import annotations

import math
import re
from typing import Any

from re import _constants as c, _parser as parser  # type: ignore[attr-defined]  # isort: skip

MAX_PATTERN_CHARS = 500
MAX_PATHS = 1000
MAX_WIDTH = 500
ADVICE = "bound every repeat, {1,64} instead of + or *, and do not nest repeats"


def check_pattern(text: str) -> re.Pattern[str]:
    """The compiled pattern. Raises ValueError that names it and says what is wrong."""
    if not 0 < len(text) <= MAX_PATTERN_CHARS:
        raise ValueError(f"pattern {text[:60]!r}: 1 to {MAX_PATTERN_CHARS} characters")
    try:
        compiled = re.compile(text)
        parsed = parser.parse(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"pattern {text!r} is no regular expression: {error}") from None
    items = list(parsed)
    if len(items) > 1 and _endless(items[-1]):
        items = items[:-1]
    if parsed.getwidth()[0] == 0:
        raise ValueError(f"pattern {text!r} matches the empty text")
    if _paths(items) > MAX_PATHS or _width(parsed, items) > MAX_WIDTH:
        raise ValueError(f"pattern {text!r} could take too long on a hostile text: {ADVICE}")
    return compiled


def _endless(item: Any) -> bool:
    """`x*` or `x+` (greedy, of one character)."""
    operation, given = item
    if operation is not c.MAX_REPEAT or given[1] is not c.MAXREPEAT:
        return False
    return len(given[2]) == 1 and given[2][0][0] in (c.LITERAL, c.NOT_LITERAL, c.IN, c.ANY)


def _width(parsed: Any, items: list[Any]) -> int:
    """The longest match of `items`, a part of what was parsed, in characters."""
    return int(parser.SubPattern(parsed.state, items).getwidth()[1])


def _paths(items: Any) -> float:
    """In how many ways these parts, one after the other, can match."""
    total = 1.0
    for item in items:
        total *= _ways(*item)
    return total


def _ways(operation: Any, given: Any) -> float:
    if operation in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
        least, most, inner = given
        return _repeated(_paths(inner), int(least), int(most))
    if operation is c.BRANCH:
        return sum(_paths(branch) for branch in given[1])
    if operation is c.SUBPATTERN:
        return _paths(given[3])
    if operation in (c.ASSERT, c.ASSERT_NOT):
        return _paths(given[1])
    if operation is c.ATOMIC_GROUP:
        return _paths(given)
    if operation in (c.GROUPREF, c.GROUPREF_EXISTS):
        return float("inf")
    return 1.0


def _repeated(ways: float, least: int, most: int) -> float:
    """The ways of `least` to `most` times something that has so many."""
    if most - least >= MAX_PATHS or ways == float("inf"):
        return float("inf")
    if ways <= 1.0:
        return float(most - least + 1)
    if most > MAX_PATHS:
        return float("inf")
    if math.log(ways) * most > 50:
        return float("inf")
    return float(sum(ways**n for n in range(least, most + 1)))
