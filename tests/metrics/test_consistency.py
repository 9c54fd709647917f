"""Consistency over samples: the published examples, and what must hold of any samples."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.metrics.consistency import (
    by_embedding,
    by_entailment,
    by_words,
    contradiction,
    mean_self_check,
    meanings,
    self_check,
)

# The example in the README of potsawee/selfcheckgpt, with its printed scores,
# which it cuts after six digits.
SENTENCES = [
    "Michael Alan Weiner (born March 31, 1942) is an American radio host.",
    "He is the host of The Savage Nation.",
]
SAMPLES = [
    "Michael Alan Weiner (born March 31, 1942) is an American radio host."
    " He is the host of The Savage Country.",
    "Michael Alan Weiner (born January 13, 1960) is a Canadian radio host."
    " He works at The New York Times.",
    "Michael Alan Weiner (born March 31, 1942) is an American radio host."
    " He obtained his PhD from MIT.",
]
QUESTION = "What is the capital of France?"


def test_self_check_gives_the_scores_that_its_authors_print() -> None:
    found = self_check(SENTENCES, SAMPLES)
    assert found is not None
    assert found.sentence_means == pytest.approx([3.184312, 3.279774], abs=1e-6)
    assert found.sentence_highest == pytest.approx([3.476098, 4.574710], abs=1e-6)
    assert found.mean == pytest.approx(3.218678904916201, rel=1e-12)
    assert found.highest == pytest.approx(4.025404834169327, rel=1e-12)


def test_samples_that_agree_are_less_surprising_than_samples_that_do_not() -> None:
    same = mean_self_check(["He was born in 1942 in Rome."] * 3)
    apart = mean_self_check(["Born in 1942, Rome.", "She died at sea.", "Nobody knows a thing!"])
    assert same is not None and apart is not None and same < apart
    assert mean_self_check(["alone"]) is None
    assert mean_self_check(["", " "]) is None


def test_contradiction_is_the_mean_over_sentences_and_other_samples() -> None:
    asked = []

    def contradicts(premise: str, hypothesis: str) -> float:
        asked.append((premise, hypothesis))
        return float("Rome" in hypothesis and "Paris" in premise)

    found = contradiction(["It is Rome. It is old.", "Paris!"], contradicts)
    assert asked == [
        ("Paris!", "It is Rome."),
        ("Paris!", "It is old."),
        ("It is Rome. It is old.", "Paris!"),
    ]
    assert found == pytest.approx(1 / 3)
    assert contradiction(["alone"], contradicts) is None
    assert contradiction(["", " "], contradicts) is None


@pytest.mark.parametrize(
    ("samples", "sizes"),
    [
        (["Paris", "The capital of France is Paris.", "It is Paris!"], [3]),
        (["Paris", "London", "It is Paris."], [2, 1]),
        (["It is Paris.", "It is not Paris."], [1, 1]),
        (["In 1903", "In 1908", "1903."], [2, 1]),
        (["1,000 people", "1000 people"], [2]),
        (["", ""], [2]),
    ],
)
def test_answers_are_grouped_by_what_they_say(samples: list[str], sizes: list[int]) -> None:
    found = meanings(samples, by_words(QUESTION))
    assert [len(cluster) for cluster in found.clusters] == sizes


def test_entropy_and_consistency_are_those_of_the_shares() -> None:
    found = meanings(["Paris", "London", "Paris.", "It is Paris"], by_words(QUESTION))
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert found.entropy == pytest.approx(expected)
    assert found.consistency == 0.75
    alone = meanings(["Paris"], by_words(QUESTION))
    assert (alone.entropy, alone.consistency) == (None, None)


def test_entailment_must_hold_both_ways_and_is_asked_with_the_question() -> None:
    def entails(premise: str, hypothesis: str) -> bool:
        """Whoever says more entails who says less: a premise entails its own beginning."""
        assert premise.startswith(QUESTION) and hypothesis.startswith(QUESTION)
        return premise.startswith(hypothesis)

    same = by_entailment(QUESTION, entails)
    assert len(meanings(["Paris", "Paris on the Seine"], same).clusters) == 2
    assert len(meanings(["Paris", "Paris"], same).clusters) == 1


def test_near_embeddings_do_not_hide_another_number_or_a_not() -> None:
    same = by_embedding(QUESTION, lambda one, other: 1.0)
    assert same("Founded long ago", "It has existed for ages")
    assert not same("Founded in 1903", "Founded in 1908")
    assert not same("It is safe", "It is not safe")


@given(st.lists(st.text(max_size=20), max_size=8))
def test_every_sample_is_in_one_cluster(samples: list[str]) -> None:
    found = meanings(samples, by_words(QUESTION))
    assert sorted(place for cluster in found.clusters for place in cluster) == list(
        range(len(samples))
    )
    if len(samples) > 1:
        assert found.entropy is not None and found.consistency is not None
        assert 0 <= found.entropy <= math.log(len(samples)) + 1e-9
        assert 1 / len(samples) <= found.consistency <= 1
