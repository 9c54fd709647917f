"""What users give: patterns, terms that must appear, glossaries."""

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.metrics.descriptors.given_patterns import PatternError, checked, pattern_metric
from driftline.metrics.descriptors.terms import folded, holds, terms_in, texts_in
from driftline.metrics.metric import Value
from driftline.sdk.records import Event

Measure = Callable[..., Value]
MakeEvent = Callable[..., Event]
WORDS = st.lists(st.sampled_from(["cat", "Cats", "a cat", "dog", "über", "it's", "."]), max_size=9)


@given(WORDS.map(" ".join), st.sampled_from([r"cat", r"\bcat\b", r"[a-z]+s?", r"(?:dog|über)"]))
def test_matches_are_those_of_re(make_event: MakeEvent, text: str, pattern: str) -> None:
    found = pattern_metric("test_count", "Test", pattern)(make_event(text))
    assert found.value == len(re.findall(pattern, text))


def test_patterns_of_metadata_are_counted(measure: Measure) -> None:
    text = "TICKET-12 and TICKET-7, not ticket-9"
    found = measure("response_regex_match_count", text, metadata={"regex": r"TICKET-\d+"})
    assert found.value == 2.0
    words = measure("response_word_regex_matches_count", text, metadata={"word_regex": "[a-z]+|x"})
    assert words.value == 2.0  # `and`, `not`; a word matches whole, so not `ticket-9`
    assert measure("response_regex_match_count", text).explanation.startswith("no `regex`")


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        "a" * 201,
        "((a{1000}){1000}){1000}",
        "(a{40}){40}",
        "a{1,99999999999}",
        "[",
        "(?<n>a)\\k<m>",
    ],
)
def test_a_pattern_that_is_wrong_or_too_large_is_refused(measure: Measure, pattern: str) -> None:
    with pytest.raises(PatternError):
        checked(pattern)
    found = measure("response_regex_match_count", "aaa", metadata={"regex": pattern})
    assert found.value is None and found.explanation.startswith("the pattern")


def test_flags_and_comments_of_a_pattern_hold_for_words_too(measure: Measure) -> None:
    for pattern in ("(?i)TICKET", "(?x) ticket  # one word", "tick|ticket"):
        found = measure(
            "response_word_regex_matches_count", "Ticket ticket", metadata={"word_regex": pattern}
        )
        assert found.value == (2.0 if "(?i)" in pattern else 1.0)
    slow = measure(
        "response_word_regex_matches_count",
        " ".join(["a" * 40 + "b"] * 2_000),
        metadata={"word_regex": "(?:a|aa)+b?c"},
    )
    assert slow.explanation == "it took longer than 0.25 s"


def test_a_pattern_that_backtracks_for_ever_is_stopped(measure: Measure) -> None:
    started = time.perf_counter()
    found = measure(
        "response_regex_match_count", "a" * 5_000 + "b", metadata={"regex": "(?:a|aa)+$"}
    )
    assert found.explanation == "it took longer than 0.25 s"
    assert time.perf_counter() - started < 20


@pytest.mark.parametrize(
    ("text", "term", "held"),
    [
        ("The cat sat", "cat", True),
        ("Concatenate", "cat", False),
        ("the  big\ncat", "big cat", True),
        ("STRASSE", "straße", True),
        ("Ｄｒｉｆｔ", "drift", True),
        ("don’t", "don't", True),
        ("我喜欢漂移检测", "漂移", True),
        ("use C++ here", "c++", True),
        ("anything", "", False),
    ],
)
def test_a_text_holds_a_term_as_whole_words(text: str, term: str, held: bool) -> None:
    assert holds(folded(text), folded(term)) is held


@given(WORDS, st.sampled_from(["cat", "dog", "a cat"]))
def test_holding_a_term_is_holding_its_words_in_a_row(words: list[str], term: str) -> None:
    found = " ".join(words).lower().replace(".", "|").split()
    parts = term.split()
    expected = any(found[i : i + len(parts)] == parts for i in range(len(found)))
    assert holds(folded(" ".join(words)), term) is expected


def test_lists_in_metadata_are_json_or_commas() -> None:
    assert terms_in('["a, b", "C", "c"]') == ["a, b", "c"]
    assert terms_in("drift, Window,,") == ["drift", "window"]
    assert terms_in("[not JSON") == ["[not json"]
    assert terms_in("") == []
    assert texts_in('["one", "two"]') == ["one", "two"]
    assert texts_in("[1, 2]") == ["[1, 2]"]


def test_must_appear_is_a_share_and_names_what_is_missing(measure: Measure) -> None:
    name, metadata = "response_must_appear_words_percentage", {"must_appear": "drift, alarm, cat"}
    found = measure(name, "Drift raised an ALARM.", metadata=metadata)
    assert found.value == pytest.approx(2 / 3)
    assert found.explanation == "missing: cat"
    assert measure(name, "", metadata=metadata).value == 0.0
    assert measure(name, "drift").value is None


def test_glossary_terms_count_when_the_prompt_holds_them(measure: Measure) -> None:
    name, prompt = "response_glossary_fidelity", "Translate: the Alert says Driftline saw drift."
    glossary = {"glossary": '{"alert": ["Alarm", "Warnung"], "drift": "Abdrift", "cat": "Katze"}'}
    found = measure(name, "Der Alarm sagt, es gab Drift.", prompt=prompt, metadata=glossary)
    assert (found.value, found.explanation) == (0.5, "missed: drift")
    kept = {"glossary": '["Driftline"]'}
    assert measure(name, "Driftline sah", prompt=prompt, metadata=kept).value == 1.0
    assert measure(name, "Treiblinie sah", prompt=prompt, metadata=kept).value == 0.0
    other = measure(name, "Hallo", prompt="Hello", metadata=glossary)
    assert other.explanation == "the prompt holds no term of the glossary"
    for wrong in ("{", "{}", '{"a": 1}', ""):
        assert measure(name, "x", prompt="a", metadata={"glossary": wrong}).value is None
