"""Text descriptors: cheap facts about one text, as pure functions of a string.

All are linear in the text and safe on any Unicode, lone surrogates included; those that cannot be
computed are None. docs/metrics.md holds a card for each: formula, range, when it lies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

WORD = re.compile(r"\w+(?:['’\-]\w+)*")
SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？])|\n+")
VOWELS = re.compile(r"[aeiouy]+")
LATIN = re.compile(r"[a-z]")
TTR_WINDOW_WORDS = 50
REPEATED_GRAM_WORDS = 3
REFUSAL_CHARACTERS = 250  # a refusal says so at once; later it is talk about refusing
ENGLISH_SHARE = 0.5
SURROGATES = re.compile(r"[\ud800-\udfff]")

REFUSALS = (
    "i cannot", "i can't", "i can not", "i could not find", "i couldn't find",
    "i am unable", "i'm unable", "i am not able", "i'm not able",
    "i won't", "i will not", "i must decline", "i have to decline", "i refuse to",
    "unable to answer", "cannot answer", "can't answer", "cannot be answered",
    "cannot provide", "can't provide", "cannot assist", "can't assist", "cannot help with",
    "can't help with", "not able to answer", "not able to provide", "no information about",
    "i do not have enough information", "i don't have enough information",
    "i do not have access", "i don't have access", "as an ai", "as a language model",
    "i'm sorry, but", "i am sorry, but", "sorry, i can", "i apologize, but",
    "against my guidelines",
)  # fmt: skip


def well_formed(text: str) -> str:
    """`text` with lone surrogates (half characters that no encoding holds) replaced by U+FFFD."""
    return SURROGATES.sub("\ufffd", text)


def words(text: str) -> list[str]:
    """Runs of letters, digits and underscores, joined over inner apostrophes and hyphens."""
    return WORD.findall(text)


def sentences(text: str) -> list[str]:
    """Parts that hold a word, cut after .!?… before white space, after 。！？ and at line ends."""
    parts = (part.strip() for part in SENTENCE_END.split(text))
    return [part for part in parts if WORD.search(part)]


def length(text: str) -> float:
    """Characters (Unicode code points)."""
    return float(len(text))


def word_count(text: str) -> float:
    return float(len(words(text)))


def sentence_count(text: str) -> float:
    return float(len(sentences(text)))


def sentence_length(text: str) -> float | None:
    """Mean words a sentence."""
    count = len(sentences(text))
    return len(words(text)) / count if count else None


def type_token_ratio(text: str, window: int = TTR_WINDOW_WORDS) -> float | None:
    """Different words by words, in (0, 1]; over `window` words the mean of all such windows.

    The moving average (Covington & McFall 2010) does not fall as texts get longer; the plain ratio
    does. Case is folded.
    """
    found = [word.casefold() for word in words(text)]
    if not found:
        return None
    if len(found) <= window:
        return len(set(found)) / len(found)
    return _mean_types(found, window) / window


def _mean_types(found: Sequence[str], window: int) -> float:
    """The mean number of different words over all windows, in one pass."""
    counts: dict[str, int] = {}
    total = 0
    for index, word in enumerate(found):
        counts[word] = counts.get(word, 0) + 1
        if index >= window:
            gone = found[index - window]
            counts[gone] -= 1
            if not counts[gone]:
                del counts[gone]
        if index >= window - 1:
            total += len(counts)
    return total / (len(found) - window + 1)


def repetition(text: str, size: int = REPEATED_GRAM_WORDS) -> float | None:
    """Share of word 3-grams that occurred before in the text, in [0, 1); None under 3 words.

    As rep-n of Welleck et al. 2020 (arXiv 1908.04319): 1 - different / all. Case is folded.
    """
    found = [word.casefold() for word in words(text)]
    grams = list(zip(*(found[start:] for start in range(size)), strict=False))
    return 1.0 - len(set(grams)) / len(grams) if grams else None


def syllables(word: str) -> int:
    """An estimate for English: groups of vowels, less a silent final e, at least one."""
    lower = word.lower()
    groups = len(VOWELS.findall(lower))
    silent = lower.endswith("e") and not lower.endswith(("le", "ee", "ye"))
    return max(1, groups - (silent and groups > 1))


def readability(text: str) -> float | None:
    """Flesch reading ease (Flesch 1948): 206.835 - 1.015 words/sentences - 84.6 syllables/words.

    Higher is easier: 60 to 70 is plain English, unbounded on both sides. None without words, and
    where half of the words or more hold no Latin letter, since the formula is about English.
    """
    found, count = words(text), len(sentences(text))
    latin = [word for word in found if LATIN.search(word.lower())]
    if not count or len(latin) <= ENGLISH_SHARE * len(found):
        return None
    beats = sum(syllables(word) for word in latin) / len(latin)
    return 206.835 - 1.015 * len(found) / count - 84.6 * beats


def refusal(text: str) -> float | None:
    """1.0 when the opening holds a phrase of refusal (English), else 0.0; None for no text."""
    if not text.strip():
        return None
    opening = text[:REFUSAL_CHARACTERS].lower().replace("’", "'")
    return float(any(phrase in opening for phrase in REFUSALS))


DESCRIPTORS: Mapping[str, Callable[[str], float | None]] = {
    "length": length,
    "words": word_count,
    "sentences": sentence_count,
    "sentence_length": sentence_length,
    "type_token_ratio": type_token_ratio,
    "repetition": repetition,
    "readability": readability,
    "refusal": refusal,
}
