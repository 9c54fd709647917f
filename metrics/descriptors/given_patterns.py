r"""Counts of a pattern that the user gives: in the event's metadata, or in code.

    TICKETS = pattern_metric("ticket_count", "Tickets named", r"\bTICKET-\d{1,6}\b")

and an entry point of the group `driftline.metrics` that names TICKETS. Metadata comes with every
event, so its patterns are bounded: in length, in what their repetitions multiply to (a nested
{1000} would fill the memory when compiled), and in time.
"""

from __future__ import annotations

import functools
import math
import re
import time
from collections.abc import Callable, Iterable

import regex

from driftline.metrics.metric import Metric, Value, metric
from driftline.metrics.text import words
from driftline.sdk.records import Event

from .sides import NO_RESPONSE, descriptor, text_of

MAX_PATTERN_CHARACTERS = 200
MAX_REPEATS = 1_000
MATCH_SECONDS = 0.25
REPEAT = re.compile(r"\{(\d*),?(\d*)")
_SLOW = f"it took longer than {MATCH_SECONDS} s"


class PatternError(ValueError):
    """A pattern that is not used; the message says why."""


def checked(pattern: str) -> regex.Pattern[str]:
    """The compiled pattern. Raises PatternError where it is wrong, or could be too large."""
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise PatternError(f"the pattern is longer than {MAX_PATTERN_CHARACTERS} characters")
    bounds = [found for pair in REPEAT.findall(pattern) for found in pair if found]
    largest = [max(int(bound[:6]), 1) if len(bound) < 6 else MAX_REPEATS + 1 for bound in bounds]
    if math.prod(largest) > MAX_REPEATS:
        raise PatternError(f"the pattern's repetitions multiply to more than {MAX_REPEATS}")
    return _compiled(pattern)


@functools.lru_cache(maxsize=64)
def _compiled(pattern: str) -> regex.Pattern[str]:
    try:
        return regex.compile(pattern)
    except (regex.error, OverflowError, RecursionError, ValueError) as error:
        raise PatternError(f"the pattern cannot be read: {error}") from error


def matches(pattern: regex.Pattern[str], text: str) -> int:
    """How often `pattern` is in `text`. Raises PatternError when that takes too long."""
    try:
        return sum(1 for _ in pattern.finditer(text, timeout=MATCH_SECONDS))
    except TimeoutError as error:
        raise PatternError(_SLOW) from error


def word_matches(pattern: regex.Pattern[str], found: Iterable[str]) -> int:
    """How many of the words match `pattern` whole. Raises PatternError when it takes too long."""
    deadline, count = time.thread_time() + MATCH_SECONDS, 0
    for word in found:
        left = deadline - time.thread_time()
        try:
            count += left > 0 and pattern.fullmatch(word, timeout=left) is not None
        except TimeoutError as error:
            raise PatternError(_SLOW) from error
        if left <= 0:
            raise PatternError(_SLOW)
    return count


def pattern_metric(
    name: str, title: str, pattern: str, *, lies: str = "what the pattern does not describe"
) -> Metric:
    """A metric that counts `pattern` in responses. Raises PatternError for a bad one."""
    ready = checked(pattern)

    def count(text: str) -> Value:
        return _counted(lambda: matches(ready, text))

    return descriptor(
        name, title, count, formula=f"matches of {pattern}", lies=lies, unit="match",
        cost="milliseconds", default=True,
    )  # fmt: skip


def _counted(count: Callable[[], int]) -> Value:
    try:
        return Value(float(count()))
    except PatternError as error:
        return Value(None, str(error))


def _of_metadata(key: str, event: Event, count: Callable[[regex.Pattern[str], str], int]) -> Value:
    text, pattern = text_of(event, "response"), event.metadata.get(key, "")
    if text is None:
        return NO_RESPONSE
    if not pattern:
        return Value(None, f"no `{key}` in the event's metadata")
    return _counted(lambda: count(checked(pattern), text))


@metric(
    name="response_regex_match_count",
    title="Matches of a pattern",
    formula="matches of the pattern in the event's metadata under `regex`",
    needs="the whole event",
    low=0.0,
    unit="match",
    lies=f"null for a pattern that takes longer than {MATCH_SECONDS} s: a busy machine sees more",
    cost="milliseconds",
    default=False,
)
def regex_match_count(event: Event) -> Value:
    return _of_metadata("regex", event, matches)


@metric(
    name="response_word_regex_matches_count",
    title="Words that match a pattern",
    formula="words that match the pattern in the event's metadata under `word_regex`, whole",
    needs="the whole event",
    low=0.0,
    unit="word",
    lies=f"null for a pattern that takes longer than {MATCH_SECONDS} s: a busy machine sees more",
    cost="milliseconds",
    default=False,
)
def word_regex_matches_count(event: Event) -> Value:
    def count(pattern: regex.Pattern[str], text: str) -> int:
        return word_matches(pattern, words(text))

    return _of_metadata("word_regex", event, count)


GIVEN_PATTERNS = (regex_match_count, word_regex_matches_count)
