"""Laws of all descriptors: cards, ranges, hostile text, long text."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.metrics import text
from driftline.metrics.descriptors import DESCRIPTORS
from driftline.metrics.metric import Metric, Value
from driftline.sdk.records import Event

MakeEvent = Callable[..., Event]
METADATA = {
    "reference": '["the cat sat", "a dog ran"]',
    "glossary": '{"drift": ["Drift", "Abdrift"]}',
    "must_appear": "drift, window",
    "regex": r"\w+",
    "word_regex": r"[a-z]+",
    "context_window": "8192",
}
PIECES = [
    "the", "Cat", "sat", "not", "but", "very", "good", "awful", ".", "! ", "\n", " ", "42", "1,5",
    "```python\n", "```", "{", "[", '"', "@", "#tag", "👩‍🚀", "🇩🇪", "中", "。", "مرحبا",
    "\ud800", "\u200d", "http://a.b", "a@b.cd", "May 12", "f*ck", "\x00",
]  # fmt: skip
ANY_TEXT = st.text(alphabet=st.characters(codec=None), max_size=200)
SOUP = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)
HOSTILE = (
    "a", "'", "a-", ". ", "\n", "aA@.9#", "```python\n", "[", "A.", "1,", "@", "👩‍", "🇩", "http://",
    "not good but ", "12 ", "中文。", '{"a":', "may 12 ", "f*ck! ", "a*", "_", "#", "x" * 49 + " ",
)  # fmt: skip
HOSTILE_CHARACTERS = 10_000

of_each = pytest.mark.parametrize("metric", DESCRIPTORS, ids=lambda metric: metric.card.name)


def check(metric: Metric, value: Value, body: str) -> None:
    card = metric.card
    if value.value is None:
        assert value.explanation
        return
    assert math.isfinite(value.value)
    assert card.low is None or value.value >= card.low
    assert card.high is None or value.value <= card.high
    assert all(math.isfinite(number) for number in value.stats.values())
    assert all(0 <= span.start < span.end <= len(body) for span in value.spans)


def test_names_are_unique_and_not_those_of_the_stages() -> None:
    names = [metric.card.name for metric in DESCRIPTORS]
    assert len(set(names)) == len(names)
    assert not set(names) & {f"response_{name}" for name in text.DESCRIPTORS}


def test_the_defaults_are_about_a_dozen() -> None:
    assert sum(metric.card.default for metric in DESCRIPTORS) <= 13


def test_elemetas_list_is_there() -> None:
    listed = """
    emoji_count text_complexity unique_word_ratio unique_word_count word_regex_matches_count
    number_count out_of_vocabulary_count must_appear_words_percentage sentence_count
    sentence_avg_length word_count avg_word_length text_length stop_words_count punctuation_count
    special_chars_count capital_letters_ratio regex_match_count email_count link_count hashtag_count
    mention_count syllable_count acronym_count date_count detect_language sentiment_polarity
    sentiment_subjectivity hinted_profanity_words_count hinted_profanity_sentence_count
    """
    names = {metric.card.name for metric in DESCRIPTORS}
    assert {f"response_{name}" for name in listed.split()} <= names


@of_each
@given(body=ANY_TEXT | SOUP, full=st.booleans())
@settings(max_examples=20, deadline=None)  # the first call loads models and lists
def test_a_value_is_in_its_range_or_says_why_there_is_none(
    metric: Metric, make_event: MakeEvent, body: str, full: bool
) -> None:
    event = make_event(body, metadata=METADATA if full else {}, usage={"input": 7, "output": 3})
    check(metric, metric(event), body)
    assert metric(event) == metric(event)


@of_each
def test_empty_blank_and_missing_responses(metric: Metric, make_event: MakeEvent) -> None:
    for body in ("", " \n\t", "\u200d", "…"):
        check(metric, metric(make_event(body, prompt="", metadata=METADATA)), body)
    failed = metric(make_event("", status="error"))
    if metric.card.name.startswith("response_"):
        assert failed.value is None and failed.explanation


@of_each
def test_right_to_left_and_joined_scripts(metric: Metric, make_event: MakeEvent) -> None:
    for body in ("שלום עולם! ‏(42)", "مرحبا بالعالم؟ نعم.", "नमस्ते दुनिया।", "สวัสดีชาวโลก", "‮abc‬"):
        check(metric, metric(make_event(body, metadata=METADATA)), body)


@of_each
def test_hostile_texts_take_no_long_time(metric: Metric, make_event: MakeEvent) -> None:
    """10,000 characters of each: a quadratic pattern would outlast the test's time limit."""
    for piece in HOSTILE:
        body = piece * (HOSTILE_CHARACTERS // len(piece))
        for hostile in (body, "x" + body + "!"):
            check(metric, metric(make_event(hostile, metadata=METADATA)), hostile)


def test_a_megabyte_is_described(make_event: MakeEvent) -> None:
    piece = "not good, but http://x.y aA@.9# 12 May 2026\n"
    body = piece * (1_000_000 // len(piece))
    event = make_event(body, metadata=METADATA)
    for metric in DESCRIPTORS:
        check(metric, metric(event), body)
