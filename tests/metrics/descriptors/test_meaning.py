"""Language, sentiment, profanity, hedging: known values, signs and rules."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.metrics.descriptors import profanity, sentiment
from driftline.metrics.descriptors.sentiment import DEGREE, SPREAD, sentence_polarity, valences
from driftline.metrics.metric import Value

Measure = Callable[..., Value]
VALUED = ["good", "awful", "great", "terrible", "happy"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("This is a short text about dogs and their people.", "en"),
        ("Das ist ein kurzer Text über Hunde und ihre Menschen.", "de"),
        ("Ceci est un petit texte sur les chiens et leurs maîtres.", "fr"),
        ("Это короткий текст о собаках и их хозяевах.", "ru"),
        ("这是一篇关于狗和它们主人的短文。", "zh"),
        ("これは犬とその飼い主についての短い文章です。", "ja"),
        ("هذا نص قصير عن الكلاب وأصحابها.", "ar"),
    ],
)
def test_a_sentence_shows_its_language(measure: Measure, text: str, code: str) -> None:
    found = measure("response_detect_language", text)
    assert found.label == code
    assert found.value is not None and found.value > 0.5
    assert measure("prompt_detect_language", "x", prompt=text).label == code


@pytest.mark.parametrize("text", ["", "42 + 7", "!?", "ab", "👩‍🚀 🇩🇪"])
def test_without_letters_there_is_no_language(measure: Measure, text: str) -> None:
    found = measure("response_detect_language", text)
    assert (found.value, found.label) == (None, "")


@given(st.sampled_from(VALUED), st.lists(st.sampled_from(["it", "table", "says"]), max_size=3))
def test_one_word_of_a_sentence_is_vaders_formula(word: str, others: list[str]) -> None:
    value = valences()[word]
    expected = value / math.sqrt(value * value + SPREAD)
    assert sentence_polarity(" ".join([*others, word])) == pytest.approx(expected)


@pytest.mark.parametrize("word", VALUED)
def test_negation_turns_and_degree_raises(word: str) -> None:
    plain = sentence_polarity(f"it is {word}")
    assert sentence_polarity(f"it isn't {word}") * plain < 0
    assert sentence_polarity(f"it isn’t {word}") * plain < 0
    assert sentence_polarity(f"it is never so {word}") * plain < 0
    assert abs(sentence_polarity(f"it is very {word}")) > abs(plain)
    assert abs(sentence_polarity(f"it is somewhat {word}")) < abs(plain)
    assert abs(sentence_polarity(f"it is {word}!!")) > abs(plain)


def test_very_good_worked_by_hand() -> None:
    total = valences()["good"] + DEGREE
    assert sentence_polarity("very good") == pytest.approx(total / math.sqrt(total**2 + SPREAD))


def test_what_comes_after_but_weighs_more() -> None:
    assert sentence_polarity("The food was good but the service was bad") < 0
    assert sentence_polarity("The service was bad but the food was good") > 0


def test_a_text_is_the_mean_of_its_sentences(measure: Measure) -> None:
    found = measure("response_sentiment_polarity", "It is great. The table is here. It is awful.")
    parts = [sentence_polarity("it is great"), 0.0, sentence_polarity("it is awful")]
    assert found.value == pytest.approx(sum(parts) / 3)
    assert found.stats == {"sentences": 3.0, "charged": 2.0}


def test_a_long_good_text_is_no_better_than_a_short_one() -> None:
    short, long = sentiment.polarity("It is good."), sentiment.polarity("It is good. " * 200)
    assert short is not None and long is not None
    assert short.value == pytest.approx(long.value)


def test_emoticons_have_a_valence() -> None:
    assert sentence_polarity("see you there :)") > 0 > sentence_polarity("see you there :(")


def test_opinion_is_more_subjective_than_fact(measure: Measure) -> None:
    opinion = measure("response_sentiment_subjectivity", "What a wonderful, boring, silly film!")
    fact = measure("response_sentiment_subjectivity", "The film runs for ninety minutes.")
    assert opinion.value is not None and fact.value is not None
    assert opinion.value > 0.5 > fact.value


@pytest.mark.parametrize(
    "word", ["fuck", "FUCKING", "sh!t", "f*ck", "fuuuuck", "$hit", "b1tch", "sh1t!", "a$$hole"]
)
def test_profanity_is_seen_spelled_out_or_hinted_at(measure: Measure, word: str) -> None:
    text = f"Well, {word} that. Now we go on."
    found = measure("response_hinted_profanity_words_count", text)
    assert found.value == 1.0
    assert text[found.spans[0].start : found.spans[0].end].startswith(word.rstrip("!"))
    assert measure("response_hinted_profanity_sentence_count", text * 3).value == 3.0


@pytest.mark.parametrize(
    "text",
    [
        "The assassin from Scunthorpe passed the class in Essex.",
        "Gay and lesbian people, sex education and breast cancer are no profanity.",
        "A stroke can kill; cook the fat in a pot. What the hell!",
        "5 * 3 = 15, 4**2, a*b, $5, user@host, a_b",
        "",
    ],
)
def test_plain_words_are_not_profane(measure: Measure, text: str) -> None:
    assert measure("response_hinted_profanity_words_count", text).value == 0.0


@given(st.text(max_size=80))
def test_profane_parts_do_not_overlap(text: str) -> None:
    places = list(profanity.profane(text + " shit " + text))
    assert all(a_end <= b_start for (_, a_end), (b_start, _) in pairwise(places))


def test_hedges_are_marked_where_they_stand(measure: Measure) -> None:
    text = (
        "It might rain. It's possible, I think. The sun rises in the east. Perhapsburg is a name."
    )
    found = measure("response_hedging", text)
    assert found.value == 0.5
    assert [text[s.start : s.end] for s in found.spans] == ["might", "It's possible", "I think"]
    assert measure("response_hedging", "It’s possible.").value == 1.0
    assert measure("response_hedging", "...").value is None
