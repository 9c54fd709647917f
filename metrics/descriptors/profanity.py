"""Profanity, spelled out or hinted at (sh!t, f*ck, fuuuck): words of a list, after unmasking.

The list is better-profanity's, less the words that are not profane by themselves: names of groups
of people, of body parts and of sexual matters, which doctors, lawyers and the people meant use.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib import resources

from driftline.metrics.metric import Metric, Value
from driftline.metrics.sentences import sentences
from driftline.sdk.records import TextSpan

from .language import english
from .sides import Side, descriptor

TOKEN = re.compile(r"[^\W_][\w@$!*']{0,29}(?<!')|[@$*][\w@$!*']{1,29}")
MASKED = str.maketrans({"@": "a", "4": "a", "3": "e", "!": "i", "1": "i", "0": "o", "$": "s",
                        "5": "s", "7": "t"})  # fmt: skip
RUN = re.compile(r"(.)\1{2,}")
VOWEL = re.compile(r"[aeiou]")
LETTER = re.compile(r"[a-z]")
MAX_PHRASE_WORDS = 3


@cache
def plain() -> frozenset[str]:
    """The words and phrases of the list, lower case."""
    packed = resources.files(__package__).joinpath("data/profanity_en.txt.gz").read_bytes()
    return frozenset(gzip.decompress(packed).decode("utf-8").splitlines())


@cache
def listed() -> frozenset[str]:
    """The words, and each long enough one with one vowel masked by a star."""
    starred = {
        word[: vowel.start()] + "*" + word[vowel.end() :]
        for word in plain() if len(word) >= 4
        for vowel in VOWEL.finditer(word)
    }  # fmt: skip
    return plain() | starred


@cache
def first_words() -> frozenset[str]:
    """The words that phrases of the list begin with."""
    return frozenset(phrase.split()[0] for phrase in plain() if " " in phrase)


def profane(text: str) -> Iterator[tuple[int, int]]:
    """Where profane words and phrases are: characters [start, end)."""
    tokens = [(found.start(), found.end(), found.group()) for found in TOKEN.finditer(text)]
    at = 0
    while at < len(tokens):
        size = _size(tokens, at)
        if size:
            yield tokens[at][0], tokens[at + size - 1][1]
        at += size or 1


def _size(tokens: list[tuple[int, int, str]], at: int) -> int:
    """How many tokens from `at` on are a listed word or phrase; 0 when none."""
    word = tokens[at][2].lower()
    if is_profane(word):
        return 1
    if word in first_words():
        for size in range(2, MAX_PHRASE_WORDS + 1):
            if " ".join(part for _, _, part in tokens[at : at + size]).lower() in plain():
                return size
    return 0


@lru_cache(maxsize=1 << 14)
def is_profane(word: str) -> bool:
    """Whether a word in lower case is on the list, or hints at one that is."""
    if word in listed():
        return True
    if word.isalpha() and not RUN.search(word):  # most words: nothing is masked
        return False
    return any(form in listed() for form in _forms(word))


def _forms(word: str) -> set[str]:
    """What a word may stand for: itself, without end marks, unmasked, with runs shortened."""
    bare = word.rstrip("!'")
    unmasked = bare.translate(MASKED) if LETTER.search(bare) else bare  # 455 is a number
    forms = {bare, unmasked}
    return forms | {RUN.sub(r"\1", form) for form in forms} | {RUN.sub(r"\1\1", f) for f in forms}


def profanity_words(text: str) -> Value:
    spans = tuple(TextSpan(start, end, 1.0, "profanity") for start, end in profane(text))
    return Value(float(len(spans)), spans=spans)


def profanity_sentences(text: str) -> int:
    """Sentences that hold at least one."""
    starts = [start for start, _ in profane(text)]
    count, at = 0, 0
    for sentence in sentences(text):
        while at < len(starts) and starts[at] < sentence.start:
            at += 1
        count += at < len(starts) and starts[at] < sentence.end
    return count


_SOURCE = "word list of better-profanity 0.7 (MIT), less words that are not profane by themselves"
_LIES = (
    "on words of two meanings and on insults without a listed word; it is not toxicity; "
    "English only; measured in docs/descriptors.md"
)


def _words(side: Side, default: bool = False) -> Metric:
    return descriptor(
        "hinted_profanity_words_count", f"Profane words of the {side}", english(profanity_words),
        formula="words and phrases of the list, masked letters (@ ! $ * 0) read as letters",
        source=_SOURCE, lies=_LIES, unit="word", side=side, default=default,
    )  # fmt: skip


PROFANITY = (
    _words("response", default=True),
    _words("prompt"),
    descriptor(
        "hinted_profanity_sentence_count", "Profane sentences", english(profanity_sentences),
        formula="sentences with a profane word", source=_SOURCE, lies=_LIES, unit="sentence",
    ),
)  # fmt: skip
