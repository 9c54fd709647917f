"""Every metric with its card: what it is, what it needs, when it lies.

A new version of the set makes the collector score events again, so `METRIC_SET_VERSION` changes
whenever a value computed from the same event could. docs/metrics.md says more of each.
"""

from __future__ import annotations

from .metric import METRIC_SET_VERSION, Card

__all__ = ["CARDS", "METRICS", "METRIC_SET_VERSION", "Card"]

_PERPLEXITY = "Jelinek et al. 1977"
_BITS = "Gao et al. 2020, arXiv 2101.00027, 3.1"
_OWN = "definition"

METRICS: tuple[Card, ...] = (
    Card(
        "prompt_perplexity", "Prompt perplexity", "exp(Σ nll / Σ tokens) of the prompt after BOS",
        _PERPLEXITY, "prompt", 1.0, None, "1",
        "on a few tokens, and for languages and code the scorer hardly knows",
        "a language model pass",
    ),
    Card(
        "response_perplexity", "Response perplexity",
        "exp(Σ nll / Σ tokens) of the response, given the prompt",
        _PERPLEXITY, "prompt and response", 1.0, None, "1",
        "fluent nonsense scores low, rare names score high: it says nothing about truth",
        "a language model pass",
    ),
    Card(
        "prompt_bits_per_byte", "Prompt bits per byte", "Σ nll / ln 2 / Σ UTF-8 bytes",
        _BITS, "prompt", 0.0, None, "bit/byte",
        "scripts of several bytes a letter look easier than they are", "with another metric",
    ),
    Card(
        "response_bits_per_byte", "Response bits per byte", "Σ nll / ln 2 / Σ UTF-8 bytes",
        _BITS, "prompt and response", 0.0, None, "bit/byte",
        "copying from the prompt scores low", "with another metric",
    ),
    Card(
        "hallucination", "Hallucination",
        "probability that the answer holds a claim its context does not support",
        "docs/metrics.md", "response and context", 0.0, 1.0, "1",
        "on paraphrase, arithmetic and contexts in other languages than English", "milliseconds",
    ),
    Card(
        "response_novel_words", "Novel words",
        "content words of the response that are not in the context / content words",
        _OWN, "response and context", 0.0, 1.0, "1",
        "on synonyms and inflections", "with another metric",
    ),
    Card(
        "prompt_length", "Prompt length", "Unicode code points", _OWN, "prompt", 0.0, None,
        "character", "an emoji may be several code points", "microseconds",
    ),
    Card(
        "response_length", "Response length", "Unicode code points", _OWN, "response", 0.0, None,
        "character", "an emoji may be several code points", "microseconds",
    ),
    Card(
        "response_words", "Words", "runs of letters, digits, inner apostrophes and hyphens", _OWN,
        "response", 0.0, None, "word", "in scripts without spaces, where a run is one word",
        "microseconds",
    ),
    Card(
        "response_sentences", "Sentences", "parts ended by .!?… or a line end, with a word", _OWN,
        "response", 0.0, None, "sentence", "on abbreviations, lists and code", "microseconds",
    ),
    Card(
        "response_sentence_length", "Sentence length", "words / sentences", _OWN, "response", 1.0,
        None, "word", "where sentences are counted wrongly", "microseconds",
    ),
    Card(
        "response_type_token_ratio", "Vocabulary richness",
        "different words / words, mean over windows of 50 words",
        "Covington & McFall 2010", "response", 0.0, 1.0, "1",
        "texts under 50 words score high, the shorter the higher", "microseconds",
    ),
    Card(
        "response_repetition", "Repetition", "1 - different word 3-grams / word 3-grams",
        "Welleck et al. 2020, arXiv 1908.04319", "response", 0.0, 1.0, "1",
        "tables, lyrics and lists repeat on purpose", "microseconds",
    ),
    Card(
        "response_readability", "Readability",
        "206.835 - 1.015 words/sentences - 84.6 syllables/words",
        "Flesch 1948, Journal of Applied Psychology 32(3)", "response", None, 121.22, "1",
        "on other languages than English, lists and code; syllables are estimated",
        "microseconds",
    ),
    Card(
        "response_refusal", "Refusal", "1 if the first 250 characters hold a phrase of refusal",
        _OWN, "response", 0.0, 1.0, "1", "in other languages, and on unusual wordings",
        "microseconds",
    ),
)  # fmt: skip

CARDS = {card.name: card for card in METRICS}
