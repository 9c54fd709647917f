"""Text descriptors: known values, and laws that hold for any string."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.metrics import text

ANY_TEXT = st.text(alphabet=st.characters(codec=None), max_size=400)  # lone surrogates too
VOCABULARY = ["the", "a", "cat", "dog", "Sat", "on", "mat.", "Really?", "yes", "naïve", "42"]
WORDS = st.lists(st.sampled_from(VOCABULARY))
PROSE = WORDS.map(" ".join)


@given(ANY_TEXT | PROSE)
@pytest.mark.parametrize("name", text.DESCRIPTORS)
def test_a_descriptor_of_any_text_is_none_or_a_finite_number(name: str, body: str) -> None:
    value = text.DESCRIPTORS[name](body)
    assert value is None or math.isfinite(value)


@pytest.mark.parametrize("name", text.DESCRIPTORS)
@pytest.mark.parametrize("body", ["", "   \n\t", "..."])
def test_without_words_there_are_counts_of_zero_or_none(name: str, body: str) -> None:
    value = text.DESCRIPTORS[name](body)
    counts = {"length": len(body), "words": 0, "sentences": 0}
    expected = counts.get(name, 0.0 if name == "refusal" and body == "..." else None)
    assert value == expected


@given(PROSE)
def test_shares_lie_between_zero_and_one(body: str) -> None:
    for share in (text.type_token_ratio(body), text.repetition(body), text.refusal(body)):
        assert share is None or 0.0 <= share <= 1.0


@given(ANY_TEXT | PROSE)
def test_each_sentence_holds_a_word(body: str) -> None:
    assert len(text.sentences(body)) <= len(text.words(body))
    assert all(text.words(sentence) for sentence in text.sentences(body))


@given(PROSE)
def test_case_does_not_change_vocabulary_or_repetition(body: str) -> None:
    assert text.type_token_ratio(body.upper()) == text.type_token_ratio(body.lower())
    assert text.repetition(body.upper()) == text.repetition(body.lower())


@given(PROSE.filter(lambda body: len(text.words(body)) >= 3))
def test_saying_it_twice_raises_repetition(body: str) -> None:
    once, twice = text.repetition(body), text.repetition(f"{body} {body}")
    assert once is not None and twice is not None
    assert twice > once


@given(ANY_TEXT)
def test_well_formed_text_can_be_encoded_and_changes_only_lone_surrogates(body: str) -> None:
    clean = text.well_formed(body)
    clean.encode("utf-8")
    assert len(clean) == len(body)
    assert text.well_formed(clean) == clean


def test_words_and_sentences_of_plain_english() -> None:
    body = 'It\'s a state-of-the-art test. Does it work? "Yes!" he said.\n- third line'
    assert text.words(body)[:4] == ["It's", "a", "state-of-the-art", "test"]
    assert text.sentences(body) == [
        "It's a state-of-the-art test.",
        "Does it work?",
        '"Yes!',
        "he said.",
        "- third line",
    ]


def test_a_decimal_number_does_not_end_a_sentence() -> None:
    assert text.sentence_count("It weighs 3.5 kg. Heavy!") == 2


def test_chinese_sentences_end_without_a_space() -> None:
    assert text.sentence_count("你好。再见！") == 2


def test_length_counts_code_points_not_bytes() -> None:
    assert text.length("naïve 🎉") == 7


def test_repetition_of_a_loop_is_high_and_of_prose_none() -> None:
    assert text.repetition("go on and on " * 20) == pytest.approx(1 - 4 / 78)
    assert text.repetition("every word of this line is another one") == 0.0


def test_vocabulary_richness_does_not_fall_with_length_as_the_plain_ratio_does() -> None:
    fifty = " ".join(f"word{n}" for n in range(50))
    assert text.type_token_ratio(fifty) == 1.0
    assert text.type_token_ratio(f"{fifty} {fifty}") == 1.0  # the plain ratio is 0.5
    assert text.type_token_ratio("a a a a") == 0.25


def test_the_moving_ratio_is_the_mean_over_all_windows() -> None:
    body = ["a", "b", "a", "c", "c", "d", "a", "b", "b"]
    parts = [body[i : i + 4] for i in range(len(body) - 3)]
    by_hand = sum(len(set(part)) / 4 for part in parts) / len(parts)
    assert text.type_token_ratio(" ".join(body), window=4) == pytest.approx(by_hand)


@pytest.mark.parametrize(
    ("word", "count"),
    [("cat", 1), ("table", 2), ("like", 1), ("readability", 5), ("the", 1), ("tree", 1), ("x", 1)],
)
def test_syllables_of_common_words(word: str, count: int) -> None:
    assert text.syllables(word) == count


def test_reading_ease_of_a_sentence_is_the_formula_worked_by_hand() -> None:
    body = "The cat sat on the mat."  # 6 words, 1 sentence, 6 syllables
    assert text.readability(body) == pytest.approx(206.835 - 1.015 * 6 - 84.6)


def test_long_words_in_long_sentences_read_harder() -> None:
    hard = "Institutional considerations necessitate comprehensive organisational restructuring."
    easy, harder = text.readability("I like my dog. He is big."), text.readability(hard)
    assert easy is not None and harder is not None
    assert harder < 0 < easy


def test_reading_ease_is_not_given_for_other_scripts() -> None:
    assert text.readability("Привет, как дела?") is None


@pytest.mark.parametrize(
    "opening",
    [
        "I'm sorry, but I can't help with that.",
        "I’m unable to share that.",
        "As an AI language model, I have no opinion.",
        "Unable to answer based on given passages.",
    ],
)
def test_a_refusal_at_the_start_is_seen(opening: str) -> None:
    assert text.refusal(opening + " More words follow." * 30) == 1.0


@pytest.mark.parametrize("answer", ["Sure! Here is how.", "x" * 300 + " I cannot help."])
def test_an_answer_is_no_refusal(answer: str) -> None:
    assert text.refusal(answer) == 0.0


def test_a_megabyte_of_hostile_text_takes_no_long_time() -> None:
    """Linear patterns: a quadratic one would outlast the test's time limit."""
    for body in ("a" * 1_000_000, "'" * 1_000_000, "a-" * 500_000, ". " * 500_000, "\n" * 10**6):
        for describe in text.DESCRIPTORS.values():
            describe(body)
