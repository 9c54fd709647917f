"""BLEU and chrF equal sacrebleu's own numbers; ROUGE-L, exact match and F1 equal naive ones."""

from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from driftline.metrics.descriptors.bleu import bleu_counts, chrf_counts, tokens_13a
from driftline.metrics.descriptors.overlap import (
    exact_match,
    longest_common_subsequence,
    rouge_l,
    token_f1,
)
from driftline.metrics.metric import Value

Measure = Callable[..., Value]
PIECES = [
    "the", "cat", "sat", "mat", "well-\nknown", "1,000.5", "3.", ".5", "U.S.", "A&amp;B",
    "&lt;b&gt;", "don't", "(yes)", "<skipped>", "…", "naïve",
    "中文", "\n", "\t", "!", "10-20", "a-b",
    "$5", "👩‍🚀",
]  # fmt: skip
PROSE = st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join)
ANY = PROSE | st.text(max_size=40)
REFERENCES = st.lists(ANY, min_size=1, max_size=3)
WORDS = st.lists(st.sampled_from("abcd"), max_size=12)


@given(ANY)
@example("Hello,world. 1.5% -\nx &quot;y&quot; 10-20 3,000 .a a.")
def test_tokens_are_those_of_sacrebleu(text: str) -> None:
    tokenizer = BLEU(tokenize="13a").tokenizer
    assert tokens_13a(text) == tokenizer(text.rstrip()).split()


@given(ANY, REFERENCES)
@settings(max_examples=200)
def test_sentence_bleu_is_sacrebleus(text: str, references: list[str]) -> None:
    expected = BLEU(effective_order=True).sentence_score(text, references).score
    assert bleu_counts(text, references).score() == pytest.approx(expected, abs=1e-9)


@given(ANY, REFERENCES)
@settings(max_examples=200)
def test_chrf_is_sacrebleus(text: str, references: list[str]) -> None:
    expected = CHRF().sentence_score(text, references).score
    assert chrf_counts(text, references).score() == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.tuples(PROSE, PROSE), min_size=1, max_size=5))
@settings(max_examples=60)
def test_the_sum_of_counts_scores_the_corpus(pairs: list[tuple[str, str]]) -> None:
    texts, references = [text for text, _ in pairs], [[reference for _, reference in pairs]]
    bleus = [bleu_counts(text, [reference]) for text, reference in pairs]
    chrfs = [chrf_counts(text, [reference]) for text, reference in pairs]
    bleu, chrf = bleus[0], chrfs[0]
    for more in bleus[1:]:
        bleu += more
    for other in chrfs[1:]:
        chrf += other
    expected = BLEU(force=True).corpus_score(texts, references).score
    assert bleu.score(effective_order=False) == pytest.approx(expected, abs=1e-9)
    assert chrf.score() == pytest.approx(CHRF().corpus_score(texts, references).score, abs=1e-9)


def test_the_metrics_read_references_from_metadata(measure: Measure) -> None:
    metadata = {"reference": '["a dog ran", "the cat sat on the mat"]'}
    for name, full in (("bleu", 100), ("chrf", 100), ("rouge_l", 1), ("exact_match", 1)):
        found = measure(f"response_{name}", "the cat sat on the mat", metadata=metadata)
        assert found.value == pytest.approx(full)
    one = measure("response_bleu", "The cat.", metadata={"reference": "[not JSON"})
    assert one.label == "nrefs:1|case:mixed|eff:yes|tok:13a|smooth:exp|version:2"
    assert one.stats["length"] == 3.0


def test_without_a_reference_there_is_no_number(measure: Measure) -> None:
    found = measure("response_chrf", "the cat")
    assert (found.value, found.explanation) == (None, "no `reference` in the event's metadata")
    long = measure("response_rouge_l", "word " * 20_000, metadata={"reference": "word"})
    assert long.explanation == "longer than 50,000 characters"


@given(WORDS, WORDS)
def test_the_longest_common_subsequence_is_that_of_the_table(a: list[str], b: list[str]) -> None:
    assert longest_common_subsequence(a, b) == naive_subsequence(a, b)


def naive_subsequence(a: Sequence[str], b: Sequence[str]) -> int:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            best = max(table[i][j + 1], table[i + 1][j])
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else best
    return table[-1][-1]


def test_rouge_l_of_lins_example() -> None:
    """Lin 2004, section 3: an LCS of 3 and of 2 words among four."""
    assert rouge_l("police kill the gunman", "police killed the gunman") == pytest.approx(0.75)
    assert rouge_l("the gunman kill police", "police killed the gunman") == pytest.approx(0.5)


@given(ANY)
def test_a_text_matches_itself(text: str) -> None:
    assert exact_match(text, text) == token_f1(text, text) == rouge_l(text, text) == 1.0


@given(WORDS, WORDS)
def test_token_f1_is_twice_the_common_over_all(a: list[str], b: list[str]) -> None:
    own, other = [w for w in a if w != "a"], [w for w in b if w != "a"]  # `a` is an article
    common = sum(min(count, Counter(other)[word]) for word, count in Counter(own).items())
    expected = 2 * common / (len(own) + len(other)) if own and other else float(own == other)
    assert token_f1(" ".join(a), " ".join(b)) == pytest.approx(expected)


def test_exact_match_ignores_case_articles_and_punctuation() -> None:
    assert exact_match("The Eiffel Tower!", "eiffel tower") == 1.0
    assert exact_match("Eiffel", "eiffel tower") == 0.0
