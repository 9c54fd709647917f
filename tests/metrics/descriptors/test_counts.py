"""Counts of characters, shapes and words: known values and naive references."""

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.metrics.descriptors import characters, patterns, vocabulary
from driftline.metrics.descriptors.emoji import emoji_count
from driftline.metrics.metric import Value
from driftline.metrics.text import words

Measure = Callable[..., Value]
ANY_TEXT = st.text(alphabet=st.characters(codec=None), max_size=200)
SINGLE = [
    "😀", "❤️", "👍🏽", "👩‍🚀", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "1️⃣", "#⃣",
    "👩🏿‍❤️‍💋‍👨🏻", "☺️", "❤️‍🔥", "🧑🏻‍🦽‍➡️",
]  # fmt: skip
NONE = ["a", "1", "#", "*", "☺", "©", "™", ":-)", "中", "\u200d", "\ufe0f", "🇩 ", " "]


@pytest.mark.parametrize("emoji", SINGLE)
def test_what_is_shown_as_one_emoji_counts_one(emoji: str) -> None:
    assert emoji_count(emoji) == 1
    assert emoji_count(emoji * 3) == 3


@given(st.lists(st.tuples(st.sampled_from(SINGLE + NONE), st.sampled_from(["x", " ", "中", "."]))))
def test_emoji_between_other_characters_add_up(parts: list[tuple[str, str]]) -> None:
    text = "".join(emoji + between for emoji, between in parts)
    assert emoji_count(text) == sum(emoji in SINGLE for emoji, _ in parts)


def test_flags_pair_up_from_the_left() -> None:
    assert emoji_count("🇩🇪🇫🇷") == 2
    assert emoji_count("🇩🇪🇫") == 1


@given(ANY_TEXT)
def test_characters_fall_into_kinds_as_unicode_says(text: str) -> None:
    kinds = [unicodedata.category(c) for c in text if not c.isspace()]
    assert characters.punctuation_count(text) == sum(kind[0] == "P" for kind in kinds)
    assert characters.special_chars_count(text) == sum(kind[0] in "SC" for kind in kinds)
    cased = [kind for kind in kinds if kind in ("Lu", "Ll", "Lt")]
    ratio = characters.capital_letters_ratio(text)
    assert ratio == (sum(kind != "Ll" for kind in cased) / len(cased) if cased else None)


def test_scripts_without_case_have_no_ratio_of_capitals() -> None:
    assert characters.capital_letters_ratio("你好 שלום") is None
    assert characters.capital_letters_ratio("HalF Ok") == pytest.approx(0.5)


COUNTED = [
    ("number_count", "It costs 1,000.50 or 7%, on 2026-11-21; GPT4 is none, 5kg is.", 6),
    ("number_count", "٣ and ４２, no. 7.", 3),
    ("email_count", "a.b+c@mail.example.com, (x@y.org) <z@host.co.uk>. @nobody a@b", 3),
    ("email_count", "jürgen@münchen.de mailto:me@here.io", 2),
    ("link_count", "see https://a.b/c?d=e, (http://x.y) www.z.org or ftp://f.g; z.com is none", 4),
    ("hashtag_count", "#one #2 #3d #größe word#no &#39; /#x # Heading\n##no", 3),
    ("mention_count", "@ann, hi @bob! mail a@b.cd is none; @@ and @1 neither", 2),
    (
        "acronym_count",
        "NASA and U.S.A. met the EU's MPs; I and A did not. COVID-19 counts, Ok no",
        5,
    ),
    ("date_count", "2026-11-21, 21/11/2026, 21.11.2026, 21 November 2026, Nov. 21st, 2026", 5),
    ("date_count", "May 2026 and the 1st of May; not 10.10.10.1, 1.2.3, 2026-13-01, 99/99/2026", 2),
]


@pytest.mark.parametrize(("name", "text", "count"), COUNTED)
def test_things_with_a_shape_are_counted(
    measure: Measure, name: str, text: str, count: int
) -> None:
    assert measure(f"response_{name}", text).value == count
    assert measure(f"response_{name}", f"{text}\n{text}").value == 2 * count


NAMES = st.text("abcxyz", min_size=1, max_size=8)


@given(
    st.lists(st.builds("{}@{}.{}".format, NAMES, NAMES, st.sampled_from(["com", "org", "co.uk"])))
)
def test_addresses_are_all_found(addresses: list[str]) -> None:
    assert patterns.email_count(", ".join(addresses)) == len(addresses)
    assert patterns.mention_count(", ".join(addresses)) == 0


def test_the_links_of_a_prompt_are_counted_apart(measure: Measure) -> None:
    found = measure("prompt_link_count", "none here", prompt="read https://a.b/c")
    assert found.value == 1.0


@given(ANY_TEXT)
def test_unique_words_are_those_of_a_set(text: str) -> None:
    folded = [word.casefold() for word in words(text)]
    found = vocabulary.unique_words(text)
    assert (found is None) == (not folded)
    if found is not None:
        assert found.value == len(set(folded)) / len(folded)
        assert found.stats["once"] == sum(folded.count(word) == 1 for word in set(folded))
    assert vocabulary.unique_word_count(text) == len(set(folded))


def test_lengths_are_means_of_characters() -> None:
    assert vocabulary.average_word_length("a bc def") == 2.0
    assert vocabulary.sentence_average_length("Hello there. Bye!") == 8.0
    assert vocabulary.sentence_average_length("...") is None


def test_function_words_and_syllables_of_english(measure: Measure) -> None:
    sentence = "The cat sat on the mat because it was tired."
    assert measure("response_stop_words_count", sentence).value == 6
    assert measure("response_syllable_count", sentence).value == 12


def test_unknown_words_are_named(measure: Measure) -> None:
    found = measure(
        "response_out_of_vocabulary_count", "The colour of Paris' blorptangle isn't zxq."
    )
    assert (found.value, found.explanation) == (2.0, "blorptangle, zxq")
    assert found.stats["words"] == 7.0


def test_metrics_of_english_are_none_in_other_languages(measure: Measure) -> None:
    german = "Die Katze sitzt auf der Matte, weil sie vom langen Spielen sehr müde geworden ist."
    for name in ("stop_words_count", "out_of_vocabulary_count", "sentiment_polarity", "hedging"):
        found = measure(f"response_{name}", german)
        assert (found.value, found.explanation) == (None, "made for English, this is de")


@pytest.mark.parametrize(
    ("alias", "name"),
    [("word_count", "words"), ("text_length", "length"), ("sentence_count", "sentences")],
)
def test_aliases_are_off_and_say_whose_number_they_are(
    measure: Measure, alias: str, name: str
) -> None:
    from driftline.metrics.text import DESCRIPTORS

    body = "One sentence. Another one, longer!"
    assert measure(f"response_{alias}", body).value == DESCRIPTORS[name](body)
