"""Degeneration against a naive search for runs, and the shares beside it."""

import zlib
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.metrics.descriptors import degeneration
from driftline.metrics.descriptors.degeneration import MAX_PERIOD, MIN_REPEATS, longest_run
from driftline.metrics.metric import Value

Measure = Callable[..., Value]
TOKENS = st.lists(st.integers(0, 2), max_size=40)


def naive_run(tokens: list[int]) -> int:
    """The length of the longest stretch that is periodic with at least three whole repeats."""
    best = 0
    for start in range(len(tokens)):
        for end in range(start + MIN_REPEATS, len(tokens) + 1):
            part = tokens[start:end]
            for period in range(1, min(MAX_PERIOD, len(part) // MIN_REPEATS) + 1):
                if part[period:] == part[:-period]:
                    best = max(best, len(part))
    return best


@given(TOKENS)
def test_the_longest_run_is_that_of_a_search_of_all_stretches(tokens: list[int]) -> None:
    run = longest_run(np.array(tokens, dtype=np.int64))
    assert run.end - run.start == naive_run(tokens)
    if run.period:
        part = tokens[run.start : run.end]
        assert part[run.period :] == part[: -run.period]


def test_a_loop_at_the_end_is_found_with_its_place(measure: Measure) -> None:
    text = "It began well, " + "and then the cat " * 20
    found = measure("response_degeneration", text)
    assert found.label == "loop at the end"
    assert found.stats == {"tokens": 84.0, "repeats": 20.0, "period": 4.0}
    assert found.value == pytest.approx(80 / 84)
    assert text[found.spans[0].start : found.spans[0].end] == text[15:].strip()
    assert measure("response_looping_tail", text).value == found.value


def test_a_loop_that_ends_is_no_looping_tail(measure: Measure) -> None:
    text = "no " * 30 + "and so it stopped."
    assert measure("response_degeneration", text).label == "loop"
    assert measure("response_looping_tail", text).value == 0.0


@pytest.mark.parametrize("loop", ["a" * 400, "abc" * 200, "哈" * 50, "!?" * 100, "很好，" * 40])
def test_loops_without_spaces_are_seen(measure: Measure, loop: str) -> None:
    found = measure("response_degeneration", loop).value
    assert found is not None and found > 0.9


def test_prose_has_no_run(measure: Measure) -> None:
    prose = "The quick brown fox jumps over the lazy dog, and the dog does not mind at all."
    found = measure("response_degeneration", prose)
    assert (found.value, found.label, found.spans) == (0.0, "", ())


@given(st.text(min_size=200, max_size=400))
def test_the_compression_ratio_is_zlibs(text: str) -> None:
    body = text.encode("utf-8")
    assert degeneration.compression_ratio(text) == len(body) / len(zlib.compress(body, 6))


def test_short_texts_have_no_compression_ratio(measure: Measure) -> None:
    found = measure("response_compression_ratio", "short")
    assert (found.value, found.explanation) == (None, "fewer than 200 bytes")


@given(st.lists(st.sampled_from(["a", "B", "b", "c"]), max_size=15))
def test_distinct_grams_over_grams(tokens: list[str]) -> None:
    text = " ".join(tokens)
    pairs = [(a.lower(), b.lower()) for a, b in pairwise(tokens)]
    assert degeneration.distinct_2(text) == (len(set(pairs)) / len(pairs) if pairs else None)
    singles = [token.lower() for token in tokens]
    assert degeneration.distinct_1(text) == (len(set(singles)) / len(tokens) if tokens else None)
