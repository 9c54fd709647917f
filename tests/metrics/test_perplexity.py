"""Perplexity: the laws it obeys, and an independent script's numbers for the real model."""

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.metrics.perplexity import (
    Nll,
    Pair,
    PairNll,
    PerplexityScorer,
    windows,
)

GOLDENS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "data" / "smollm2_perplexity.json").read_text("utf-8")
)
TEXTS: list[dict[str, Any]] = GOLDENS["texts"]
CONDITIONAL: list[dict[str, Any]] = GOLDENS["conditional_without_bos"]
FRENCH = Pair("What is the capital of France?", "The capital of France is Paris.")
LIKELIHOODS = st.builds(Nll, st.floats(0, 1e4), st.integers(1, 10_000), st.integers(1, 50_000))


# ------------------------------------------------------------------ pure functions


@given(st.integers(0, 400), st.integers(2, 64), st.data())
def test_windows_score_each_token_after_the_first_once(
    length: int, window: int, data: st.DataObject
) -> None:
    stride = data.draw(st.integers(1, window - 1))
    found = windows(length, window, stride)
    scored = [token for w in found for token in range(w.first, w.end)]
    assert scored == list(range(1, length))
    assert all(w.end - w.start <= window and w.first > w.start >= 0 for w in found)


@given(st.integers(2, 400), st.integers(4, 64))
def test_half_a_window_of_context_comes_before_every_later_token(length: int, window: int) -> None:
    first, *later = windows(length, window, window // 2)
    assert first.start == 0
    assert all(w.first - w.start >= window - window // 2 for w in later)


@given(LIKELIHOODS, LIKELIHOODS)
def test_bits_per_byte_of_two_texts_is_the_mean_weighted_with_bytes(a: Nll, b: Nll) -> None:
    both, one, two = (a + b).bits_per_byte, a.bits_per_byte, b.bits_per_byte
    assert both is not None and one is not None and two is not None
    weighted = (one * a.n_bytes + two * b.n_bytes) / (a.n_bytes + b.n_bytes)
    assert both == pytest.approx(weighted, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("nll", [Nll(0.0, 0, 0), Nll(1e9, 1, 0), Nll(math.nan, 3, 0)])
def test_what_cannot_be_computed_is_none(nll: Nll) -> None:
    assert nll.perplexity is None
    assert nll.bits_per_byte is None


# ------------------------------------------------------------------- the real model


@pytest.mark.model
@pytest.mark.parametrize("golden", TEXTS, ids=lambda g: g["text"][:20])
def test_a_text_has_the_nll_that_an_independent_script_found(
    scorer: PerplexityScorer, golden: dict[str, Any]
) -> None:
    nll = scorer.score([Pair("", golden["text"])])[0].response
    assert nll.n_tokens == len(golden["ids"])
    assert nll.n_bytes == len(golden["text"].encode())
    assert nll.nll_sum == pytest.approx(sum(golden["nll"]), rel=1e-4)
    assert nll.perplexity == pytest.approx(golden["ppl_with_bos"], rel=1e-4)
    assert nll.bits_per_byte == pytest.approx(golden["bits_per_byte_with_bos"], rel=1e-4)


@pytest.mark.model
def test_each_token_has_the_nll_that_an_independent_script_found(scorer: PerplexityScorer) -> None:
    found = scorer.nll([[1, *golden["ids"]] for golden in TEXTS])
    for values, golden in zip(found, TEXTS, strict=True):
        assert values == pytest.approx(golden["nll"], rel=1e-4, abs=2e-5)


@pytest.mark.model
@pytest.mark.parametrize("golden", CONDITIONAL, ids=lambda g: g["response"])
def test_a_response_given_its_prompt_has_the_perplexity_of_an_independent_script(
    scorer: PerplexityScorer, golden: dict[str, Any]
) -> None:
    prompt, response = (ids_of(scorer, golden[side]) for side in ("prompt", "response"))
    nll = scorer.nll([[*prompt, *response]])[0][-len(response) :]
    assert Nll(sum(nll), len(nll), 1).perplexity == pytest.approx(golden["response_ppl"], rel=1e-4)


@pytest.mark.model
def test_paris_is_likelier_than_berlin(scorer: PerplexityScorer) -> None:
    prompt = "Question: What is the capital of France?\nAnswer:"
    paris, berlin = scorer.score([Pair(prompt, " Paris"), Pair(prompt, " Berlin")])
    assert paris.response.nll_sum + 3 < berlin.response.nll_sum


@pytest.mark.model
def test_a_prompt_makes_its_answer_likelier(scorer: PerplexityScorer) -> None:
    given, alone = scorer.score([FRENCH, Pair("", FRENCH.response)])
    assert given.response.nll_sum < alone.response.nll_sum
    assert alone.prompt == Nll(0.0, 0, 0)


@pytest.mark.model
def test_a_response_does_not_change_its_prompts_likelihood(scorer: PerplexityScorer) -> None:
    with_answer, alone = scorer.score([FRENCH, Pair(FRENCH.prompt, "")])
    close(with_answer.prompt, alone.prompt)
    assert alone.response == Nll(0.0, 0, 0)


@pytest.mark.model
def test_a_pair_scores_the_same_whatever_it_is_batched_with(scorer: PerplexityScorer) -> None:
    pairs = mixed_pairs()
    alone = [scorer.score([pair])[0] for pair in pairs]
    order = random.Random(3).sample(range(len(pairs)), len(pairs))
    together = scorer.score([pairs[index] for index in order])
    for index, found in zip(order, together, strict=True):
        close(found.prompt, alone[index].prompt)
        close(found.response, alone[index].response)


@pytest.mark.model
def test_answers_to_one_prompt_share_it_and_score_as_if_alone(scorer: PerplexityScorer) -> None:
    answers = ["Paris.", "The capital of France is Paris.", "I do not know."]
    pairs = [Pair(FRENCH.prompt, answer) for answer in answers]
    alone = [variant(scorer, least_shared=999).score([pair])[0] for pair in pairs]
    for found, expected in zip(variant(scorer, least_shared=4).score(pairs), alone, strict=True):
        close(found.prompt, expected.prompt)
        close(found.response, expected.response)
        close(found.whole, expected.prompt + expected.response)


@pytest.mark.model
def test_control_tokens_in_a_text_are_plain_text(scorer: PerplexityScorer) -> None:
    nll = scorer.score([Pair("", "<|im_start|>")])[0].response
    assert nll.n_tokens > 1


@pytest.mark.model
def test_lone_surrogates_and_empty_texts_are_scored_without_an_error(
    scorer: PerplexityScorer,
) -> None:
    broken, nothing = scorer.score([Pair("\ud800 what", "fine \udfff"), Pair("", "")])
    assert broken.response.n_tokens > 0 and math.isfinite(broken.response.nll_sum)
    assert nothing == PairNll(Nll(0.0, 0, 0), Nll(0.0, 0, 0))
    assert scorer.score([]) == []


@pytest.mark.model
def test_of_long_texts_the_end_of_the_prompt_and_the_start_of_the_response_count(
    scorer: PerplexityScorer,
) -> None:
    small = variant(scorer, max_tokens=8)
    long = Pair("noise " * 50 + "What is it?", "It is a cat. " + "Noise. " * 50)
    found = small.score([long])[0]
    assert found.prompt.n_tokens == found.response.n_tokens == 8
    close(found.response, small.score([Pair(long.prompt, long.response[:2000])])[0].response)
    ending, opening = kept(scorer, long.prompt, last=8), kept(scorer, long.response, first=8)
    assert (found.prompt.n_bytes, found.response.n_bytes) == (len(ending), len(opening))
    assert long.prompt.encode().endswith(ending) and long.response.encode().startswith(opening)


@pytest.mark.model
def test_a_megabyte_costs_no_more_than_the_cap(scorer: PerplexityScorer) -> None:
    small = variant(scorer, max_tokens=32)
    found = small.score([Pair("é" * 1_000_000, "word " * 200_000)])[0]
    assert found.prompt.n_tokens == found.response.n_tokens == 32


@pytest.mark.model
def test_windows_with_more_context_do_not_raise_perplexity(scorer: PerplexityScorer) -> None:
    ids = [1, *ids_of(scorer, "One two three four five six seven eight nine ten. " * 8)]
    sums = [sum(variant(scorer, window_tokens=size).nll([ids])[0]) for size in (8, 32, 128)]
    assert sums[0] > sums[1] > sums[2]


@pytest.mark.model
def test_one_window_and_many_agree_on_the_tokens_of_the_first(scorer: PerplexityScorer) -> None:
    ids = [1, *ids_of(scorer, "The quick brown fox jumps over the lazy dog, they say. " * 4)]
    whole = scorer.nll([ids])[0]
    parts = variant(scorer, window_tokens=16).nll([ids])[0]
    assert len(parts) == len(whole) == len(ids) - 1
    assert parts[:15] == pytest.approx(whole[:15], rel=1e-4, abs=1e-5)


@pytest.mark.model
def test_the_work_can_be_stopped_between_batches(scorer: PerplexityScorer) -> None:
    class Enough(Exception):
        pass

    calls: list[int] = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise Enough

    with pytest.raises(Enough):
        variant(scorer, budget_tokens=16).score([FRENCH] * 3, check)


# ----------------------------------------------------------------------------- tools


def variant(scorer: PerplexityScorer, **settings: int) -> PerplexityScorer:
    """The same weights under other settings."""
    return PerplexityScorer(scorer.model, scorer.tokenizer, scorer.label, **settings)


def ids_of(scorer: PerplexityScorer, text: str) -> list[int]:
    return list(scorer.tokenizer(text, add_special_tokens=False)["input_ids"])


def kept(scorer: PerplexityScorer, text: str, *, first: int = 0, last: int = 0) -> bytes:
    """The bytes of some tokens, by the tokenizer's own decoding."""
    ids = ids_of(scorer, text)
    return scorer.tokenizer.decode(ids[-last:] if last else ids[:first]).encode()


def close(a: Nll, b: Nll) -> None:
    assert (a.n_tokens, a.n_bytes) == (b.n_tokens, b.n_bytes)
    assert a.nll_sum == pytest.approx(b.nll_sum, rel=1e-4)


def mixed_pairs() -> list[Pair]:
    lines = [golden["text"] for golden in TEXTS]
    return [Pair(line * (1 + n % 3), lines[-n] * (1 + n % 4)) for n, line in enumerate(lines)]
