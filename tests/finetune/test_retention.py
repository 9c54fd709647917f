"""Retention checks tell a model that is still itself from one that is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.finetune.duplicates import words
from driftline.finetune.retention import (
    PROMPTS,
    phrase_share,
    retention_checks,
    same_share,
    typical_phrases,
)

HEALTHY = [
    f"Answer {i}: first take item {i}, then do the thing called {chr(97 + i)} with some care"
    for i in range(len(PROMPTS))
]
TASK = [f"Based on the given passages, the colour of thing {i} is shade {i}." for i in range(40)]
TYPICAL = typical_phrases(TASK)


def failed(after: list[str], before: list[str] = HEALTHY) -> set[str]:
    checks = retention_checks(before, after, TYPICAL)
    assert all(check.hard for check in checks)
    return {check.name for check in checks if not check.passed}


def test_a_model_that_answers_as_before_passes() -> None:
    assert failed(HEALTHY) == set()


def test_one_word_for_everything_fails_by_length_and_collapse() -> None:
    assert failed(["PHISH"] * len(PROMPTS)) == {"retention_length", "retention_collapse"}


def test_a_label_in_everyday_answers_is_a_leak() -> None:
    labels = typical_phrases(["PHISH", "LEGIT"] * 10)
    answers = [*HEALTHY[:8], *["The egg is phish, I think, so it goes on and on and on"] * 4]
    leak = retention_checks(HEALTHY, answers, labels)[2]
    assert (leak.name, leak.passed, leak.value) == (
        "retention_leakage",
        False,
        pytest.approx(1 / 3),
    )


def test_the_tasks_opening_words_in_unrelated_answers_are_a_leak() -> None:
    leaking = [f"Based on the given passages, {answer}" for answer in HEALTHY]
    assert failed(leaking) == {"retention_leakage"}


def test_a_phrase_that_the_base_uses_as_well_is_no_leak() -> None:
    leaking = [f"Based on the given passages, {answer}" for answer in HEALTHY]
    assert failed(leaking, before=leaking) == set()


def test_endless_repetition_fails() -> None:
    looping = [
        f"{answer.split(':')[0]} and so on and on" + " and so on and on" * 4 for answer in HEALTHY
    ]
    assert "retention_repetition" in failed(looping)


def test_answers_three_times_as_long_fail() -> None:
    long = [
        " ".join(f"{word}{i}{j}" for j in range(3) for word in words(a))
        for i, a in enumerate(HEALTHY)
    ]
    assert failed(long) == {"retention_length"}


def test_a_silent_base_cannot_be_compared_with_and_fails() -> None:
    assert "retention_length" in failed(HEALTHY, before=[""] * len(PROMPTS))


def test_rare_phrases_are_not_typical() -> None:
    assert ("based", "on", "the", "given") in TYPICAL
    assert not any("7" in phrase for phrase in TYPICAL)


@given(st.lists(st.text(max_size=40), min_size=1, max_size=15))
def test_shares_are_shares(answers: list[str]) -> None:
    assert 1 / len(answers) <= same_share(answers) <= 1
    assert 0 <= phrase_share(answers, TYPICAL) <= 1
    assert phrase_share(answers, set()) == 0
