"""Surprising words of a text."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.metrics.surprise import MAX_SPANS, SURPRISING_NATS, surprises, word_around

TEXT = "The Xylophorus ate 12,5 apples."
XYLO = TEXT.index("Xyl")


def test_the_word_around_a_surprising_token_is_marked_with_its_chance() -> None:
    offsets = [(0, 3), (XYLO, XYLO + 2), (XYLO + 2, XYLO + 10), (14, 18)]
    (span,) = surprises(TEXT, offsets, [1.0, 9.0, 8.0, 2.0])
    assert TEXT[span.start : span.end] == "Xylophorus"
    assert span.score == pytest.approx(math.exp(-9.0))


def test_what_is_usual_is_not_marked() -> None:
    assert surprises("a b", [(0, 1), (1, 3)], [6.9, 0.0]) == ()


@pytest.mark.parametrize("nats", [math.nan, -math.inf])
def test_a_scorer_that_gives_no_number_marks_nothing(nats: float) -> None:
    assert surprises("a", [(0, 1)], [nats]) == ()


@given(st.text(max_size=60), st.data())
def test_spans_lie_in_the_text_apart_and_are_few(text: str, data: st.DataObject) -> None:
    ends = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=40)))
    offsets = list(zip([0, *ends], ends, strict=False))
    nll = [data.draw(st.floats(0, 30)) for _ in offsets]
    found = surprises(text, offsets, nll)
    assert len(found) <= MAX_SPANS
    assert all(0 <= s.start < s.end <= len(text) for s in found)
    assert all(0 <= s.score <= math.exp(-SURPRISING_NATS) * 1.000001 for s in found)
    assert all(a.end <= b.start for a, b in itertools.pairwise(found))


def test_of_many_the_most_surprising_are_kept_in_the_order_of_the_text() -> None:
    text = " ".join("abcdefghij")
    offsets = [(2 * n, 2 * n + 1) for n in range(10)]
    found = surprises(text, offsets, [float(20 - n) for n in range(10)], most=3)
    assert [text[s.start : s.end] for s in found] == ["a", "b", "c"]


def test_a_run_without_spaces_is_not_one_word() -> None:
    text = "字" * 100
    assert word_around(text, 50, 51) == (50, 51)


def test_white_space_at_the_ends_of_a_token_is_not_marked() -> None:
    assert word_around("a  bc d", 1, 4) == (3, 5)
