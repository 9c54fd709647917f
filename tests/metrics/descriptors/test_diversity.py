"""Functions of a set of texts, vectors or decisions, against naive references."""

from collections.abc import Callable
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from scipy.stats import binomtest

from driftline.metrics.descriptors import decisions, diversity
from driftline.sdk.records import Event

WORDS = st.lists(st.sampled_from(["the", "cat", "sat", "on", "a", "mat"]), max_size=12)
TEXTS = st.lists(WORDS.map(" ".join), max_size=6)
MakeEvent = Callable[..., Event]


@given(TEXTS, st.integers(1, 3))
def test_distinct_n_counts_different_grams_of_all_texts(texts: list[str], size: int) -> None:
    grams = []
    for text in texts:
        parts = text.split()
        grams += [tuple(parts[i : i + size]) for i in range(len(parts) - size + 1)]
    expected = len(set(grams)) / len(grams) if grams else None
    assert diversity.distinct_n(texts, size) == expected


@given(TEXTS)
@settings(max_examples=30)
def test_self_bleu_is_the_mean_of_sacrebleu_against_the_others(texts: list[str]) -> None:
    whole = [text for text in texts if text]
    found = diversity.self_bleu(texts)
    if len(whole) < 2:
        assert found is None
        return
    judge = BLEU(effective_order=True)
    others = [whole[:index] + whole[index + 1 :] for index in range(len(whole))]
    scores = [judge.sentence_score(t, o).score for t, o in zip(whole, others, strict=True)]
    assert found == pytest.approx(np.mean(scores))


def test_self_bleu_of_echoes_is_full_and_of_strangers_none() -> None:
    assert diversity.self_bleu(["all of them say this"] * 5) == pytest.approx(100.0)
    assert diversity.self_bleu(["one two three four", "five six seven eight"]) == 0.0


def test_a_draw_bounds_the_cost_and_is_the_same_for_a_seed() -> None:
    texts = [f"word{index} common words here" for index in range(500)]
    first = diversity.self_bleu(texts, draw=20, seed=3)
    assert first == diversity.self_bleu(texts, draw=20, seed=3)


@given(st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_dispersion_is_the_mean_distance_of_all_pairs(count: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(count, 5))
    pairs = [
        1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b)) for a, b in combinations(vectors, 2)
    ]
    assert diversity.embedding_dispersion(vectors) == pytest.approx(np.mean(pairs))


def test_dispersion_needs_two_vectors_that_are_not_zero() -> None:
    assert diversity.embedding_dispersion(np.zeros((0, 3))) is None
    assert diversity.embedding_dispersion(np.array([[0.0, 0.0], [1.0, 0.0]])) is None
    assert diversity.embedding_dispersion(np.ones((4, 3))) == pytest.approx(0.0, abs=1e-12)


@given(st.integers(1, 200), st.data())
def test_the_interval_of_a_share_is_wilsons(n: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, n))
    found = decisions.share(count, n)
    wilson = binomtest(count, n).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((wilson.low, wilson.high), abs=1e-9)


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="0 of 0"):
        decisions.share(0, 0)


@given(st.lists(st.sampled_from("abc")))
def test_the_mix_of_labels_adds_up(labels: list[str]) -> None:
    mix = decisions.label_mix(labels)
    assert set(mix) == set(labels)
    assert not labels or sum(part.share for part in mix.values()) == pytest.approx(1.0)
    counts = [part.count for part in mix.values()]
    assert counts == sorted(counts, reverse=True)


def test_tools_are_counted_by_name(make_event: MakeEvent) -> None:
    events = [make_event("", kind="tool", name=name) for name in ("search", "search", "pay")]
    mix = decisions.tool_mix([*events, make_event("answer", name="search")])
    assert {name: part.count for name, part in mix.items()} == {"search": 2, "pay": 1}


def test_the_distance_of_mixes_is_total_variation() -> None:
    before, after = decisions.label_mix("aab"), decisions.label_mix("abbbcc")
    assert decisions.mix_distance(before, before) == 0.0
    assert decisions.mix_distance(before, decisions.label_mix("x")) == pytest.approx(1.0)
    assert decisions.mix_distance(before, after) == pytest.approx(0.5)
    assert decisions.mix_distance(before, {}) is None


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("yn"))))
def test_flips_are_changes_within_a_key(made: list[tuple[int, str]]) -> None:
    flips = total = 0
    for key in range(3):
        labels = [label for about, label in made if about == key]
        for before, after in pairwise(labels):
            flips, total = flips + (before != after), total + 1
    found = decisions.flip_rate(made)
    assert (found is None) == (total == 0)
    assert found is None or (found.count, found.n) == (flips, total)
