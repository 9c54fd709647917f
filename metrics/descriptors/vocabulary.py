"""Words: how many different ones, how long, of what kind, known or unknown."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from functools import cache
from importlib import resources

from driftline.metrics.metric import Value, metric
from driftline.metrics.novel_words import FUNCTION_WORDS
from driftline.metrics.text import (
    length,
    readability,
    sentence_count,
    sentences,
    syllables,
    word_count,
    words,
)
from driftline.sdk.records import Event

from .language import english
from .sides import NO_RESPONSE, descriptor, text_of
from .terms import folded, holds, terms_in

PLAIN = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)?")
MAX_NAMED = 5  # unknown or missing words that an explanation names
LATIN_WORD = re.compile(r"[a-zA-Z]")


def unique_words(text: str) -> Value | None:
    """Different words / words. stats: `words`, `different`, and `once` (those used only once)."""
    counts = Counter(word.casefold() for word in words(text))
    total = counts.total()
    if not total:
        return None
    once = sum(1 for count in counts.values() if count == 1)
    stats = {"words": float(total), "different": float(len(counts)), "once": float(once)}
    return Value(len(counts) / total, stats=stats)


def unique_word_count(text: str) -> int:
    return len({word.casefold() for word in words(text)})


def average_word_length(text: str) -> float | None:
    found = words(text)
    return sum(map(len, found)) / len(found) if found else None


def sentence_average_length(text: str) -> float | None:
    """Mean characters a sentence, without the white space around it."""
    found = sentences(text)
    return sum(map(len, found)) / len(found) if found else None


def stop_words_count(text: str) -> int:
    return sum(1 for word in words(text) if word.lower().replace("’", "'") in FUNCTION_WORDS)


def syllable_count(text: str) -> int:
    return sum(syllables(word) for word in words(text) if LATIN_WORD.search(word))


@cache
def vocabulary() -> frozenset[str]:
    """English words of SCOWL, lower case: American and British, names, all inflections."""
    packed = resources.files(__package__).joinpath("data/words_en.txt.gz").read_bytes()
    return frozenset(gzip.decompress(packed).decode("utf-8").split())


def out_of_vocabulary(text: str) -> Value:
    """Words of the letters A to Z that no English dictionary holds; the first ones are named."""
    known, unknown = vocabulary(), Counter[str]()
    checked = 0
    for found in PLAIN.findall(text.replace("’", "'")):
        word = found.lower()
        checked += 1
        if len(word) > 1 and word not in known and word.removesuffix("'s") not in known:
            unknown[word] += 1
    named = ", ".join(word[:40] for word in list(unknown)[:MAX_NAMED])
    return Value(float(unknown.total()), named, stats={"words": float(checked)})


@metric(
    name="response_must_appear_words_percentage",
    title="Words that must appear",
    formula="terms of the metadata's `must_appear` that the response holds / terms",
    needs="the whole event",
    low=0.0,
    high=1.0,
    lies="on inflections and synonyms: a term counts only as it is spelled (case aside)",
    default=False,
)
def must_appear(event: Event) -> Value:
    """A share, not a percentage, whatever Elemeta's name says."""
    text = text_of(event, "response")
    if text is None:
        return NO_RESPONSE
    terms = terms_in(event.metadata.get("must_appear", ""))
    if not terms:
        return Value(None, "no `must_appear` in the event's metadata")
    body = folded(text)
    missing = [term for term in terms if not holds(body, term)]
    stats = {"terms": float(len(terms)), "missing": float(len(missing))}
    words_ = f"missing: {', '.join(missing[:MAX_NAMED])}" if missing else ""
    return Value(1.0 - len(missing) / len(terms), words_, stats=stats)


_UNSPACED = "in scripts without spaces, where a run is one word"
_ENGLISH = "SCOWL (Atkinson), as in Debian's wamerican and wbritish 2020.12.07"
_ALIAS = "the same number as `{}`, under Elemeta's name"

VOCABULARY = (
    descriptor(
        "unique_word_ratio", "Different words", unique_words, high=1.0,
        formula="different words / words, case folded",
        lies="it falls as texts get longer: compare response_type_token_ratio instead",
    ),
    descriptor(
        "unique_word_count", "Number of different words", unique_word_count, unit="word",
        formula="different words, case folded", lies=_UNSPACED,
    ),
    descriptor(
        "avg_word_length", "Word length", average_word_length, unit="character",
        formula="characters of words / words", lies=_UNSPACED,
    ),
    descriptor(
        "sentence_avg_length", "Sentence length in characters", sentence_average_length,
        unit="character", formula="characters of sentences / sentences",
        lies="where sentences are counted wrongly: abbreviations, lists, code",
    ),
    descriptor(
        "stop_words_count", "Function words", english(stop_words_count), unit="word",
        formula="words of the list in metrics/novel_words.py (the, of, is …)",
        lies="the list is one of many; English only", needs="response",
    ),
    descriptor(
        "syllable_count", "Syllables", english(syllable_count), unit="syllable",
        formula="groups of vowels, less a silent final e, at least one a word",
        lies="an estimate: `creating` has two groups of vowels, and three syllables; English only",
    ),
    descriptor(
        "out_of_vocabulary_count", "Unknown words", english(out_of_vocabulary), unit="word",
        formula="words of A-Z that a dictionary of English does not hold", source=_ENGLISH,
        lies="on names, code and words younger than 2020: not every unknown word is a mistake",
    ),
    must_appear,
    descriptor(
        "word_count", "Words (alias)", word_count, unit="word",
        formula=_ALIAS.format("response_words"), lies=_UNSPACED,
    ),
    descriptor(
        "text_length", "Characters (alias)", length, unit="character",
        formula=_ALIAS.format("response_length"), lies="an emoji may be several code points",
    ),
    descriptor(
        "sentence_count", "Sentences (alias)", sentence_count, unit="sentence",
        formula=_ALIAS.format("response_sentences"), lies="on abbreviations, lists and code",
    ),
    descriptor(
        "text_complexity", "Flesch reading ease (alias)", readability, low=None, high=121.23,
        formula=_ALIAS.format("response_readability"),
        source="Flesch 1948, Journal of Applied Psychology 32(3)",
        lies="higher is easier, not more complex; English only",
    ),
)  # fmt: skip
