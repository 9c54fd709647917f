"""Words, numbers, names, quotations and links that a source does not hold."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.metrics.novel_words import (
    Token,
    has_quotation,
    novel_quotations,
    number_key,
    plain,
    read_sources,
    stem,
    tokens,
)


def novel(text: str, *sources: str) -> list[str]:
    """The content words of `text` that the sources do not hold, as written."""
    known = read_sources(sources, wording=False)
    return [text[t.start : t.end] for t in tokens(text) if t.content and not known.knows(t)]


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("Recipes", "a recipe"),
        ("The stories", "one story"),
        ("stopped, stopping", "a stop"),
        ("baking", "bake"),
        ("The CAT's paw", "cat paw"),
        ("quickly", "quick"),
        ("boxes", "box"),
        ("in Sept", "September"),
        ("1,000 people", "1000 people"),
        ("2.50", "2.5"),
        ("½ cup", "1/2 cup"),
        ("0.5 cups", "half a cup"),
        ("three cups", "3 cups"),
        ("from http://www.Example.org/a/.", "https://example.org/a"),
        ("buildings", "build"),
        ("happily", "happy"),
        ("strings", "string"),
        ("classes", "class"),
        ("it is what they would have", "nothing"),
    ],
)
def test_another_form_of_the_same_is_not_new(text: str, source: str) -> None:
    assert novel(text, source) == []


@pytest.mark.parametrize(
    ("text", "source", "expected"),
    [
        ("Roast it for 4 hours", "Roast it for 3 hours", ["4"]),
        ("It costs 1,500", "It costs 1,000", ["1,500"]),
        ("in 1999", "in 1998", ["1999"]),
        ("Ask Doctor Miller", "Ask a doctor", ["Miller"]),
        ("see https://a.org/x", "see https://a.org/y", ["https://a.org/x"]),
        ("bananas and apples", "apple", ["bananas"]),
        ("猫と犬", "猫", ["と", "犬"]),
    ],
)
def test_what_is_not_there_is_new(text: str, source: str, expected: list[str]) -> None:
    assert novel(text, source) == expected


def test_numbers_that_count_a_list_or_name_a_source_claim_nothing() -> None:
    assert novel("4. Mix (Passage 3) as in passages 1, 2 and 7", "mix the passage") == []


def test_a_capital_inside_a_sentence_is_a_name_and_at_its_start_is_not() -> None:
    kinds = {t.key: t.kind for t in tokens("Bread from Berlin")}
    assert kinds == {"bread": "word", "from": "word", "berlin": "name"}


def test_a_quotation_must_be_there_word_by_word() -> None:
    known = read_sources(['It "takes about two hours" they say'], wording=True)
    assert novel_quotations('As "Takes about two hours," it says', known) == 0
    assert novel_quotations('As "takes about five hours" it says', known) == 1
    assert novel_quotations('a "short" word', known) == 0
    assert has_quotation('the "very first one"')
    assert not has_quotation("it's the '90s")


def test_places_are_two_sentences_each_and_bounded_in_number() -> None:
    known = read_sources(["Cats purr. Dogs bark. Cows moo."], wording=False)
    assert [sorted(place) for place in known.places] == [
        ["bark", "cat", "dog", "pur"], ["bark", "cow", "dog", "moo"],
    ]  # fmt: skip
    many = read_sources(["Cat dog.\n" * 9000], wording=False)
    assert len(many.places) <= 2000
    assert many.places[0] == {"cat", "dog"}


@given(st.text())
def test_tokens_slice_the_text_in_order(text: str) -> None:
    end = 0
    for token in tokens(text):
        assert end <= token.start < token.end <= len(text)
        end = token.end


@given(st.lists(st.text()))
def test_a_source_knows_everything_that_it_says(texts: list[str]) -> None:
    known = read_sources(texts, wording=False)
    for text in texts:
        everything: list[Token] = [t for t in tokens(text) if t.content and t.kind != "number"]
        unknown = [t.key for t in everything if not known.knows(t)]
        # a link or name may be cut at the end of a sentence, and a list's number be dropped
        assert all("." in key or "?" in key or "!" in key or "://" in text for key in unknown)


@given(st.text(max_size=30))
def test_a_stem_is_no_longer_than_the_word_and_ignores_case(word: str) -> None:
    assert stem(word) == stem(word.casefold())
    assert len(stem(word)) <= max(len(word.casefold()), 9)


@pytest.mark.parametrize("text", ["1/0", "9" * 5000, "1.2.3", "٣"])
def test_odd_numbers_have_a_key_all_the_same(text: str) -> None:
    assert number_key(text).startswith("#")


def test_plain_text_keeps_words_only() -> None:
    assert plain("He said:  'No — 3.5'!") == "he said no 3.5"


@pytest.mark.parametrize(
    "unit", ["a", "1,", "1", '"', '"a ', "www.", "a'", "passage 1, ", "½", "\u202e"]
)
def test_a_long_run_of_anything_is_read_in_bounded_time(unit: str) -> None:
    text = unit * (300_000 // len(unit))
    started = time.process_time()
    read_sources([text], wording=has_quotation(text))
    assert time.process_time() - started < 30.0
