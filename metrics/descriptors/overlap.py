"""Overlap of a text with a reference: ROUGE-L, and SQuAD's exact match and token F1."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from driftline.metrics.text import words

ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Its length, bit-parallel (Hyyrö 2004): one long integer holds a column of the table."""
    where: dict[str, int] = {}
    for index, token in enumerate(second):
        where[token] = where.get(token, 0) | 1 << index
    full = (1 << len(second)) - 1
    column = full
    for token in first:
        hit = column & where.get(token, 0)
        column = (column + hit | column - hit) & full
    return len(second) - column.bit_count()


def rouge_l(text: str, reference: str) -> float:
    """F1 of the longest common subsequence of words (Lin 2004), case folded, not stemmed."""
    own = [word.casefold() for word in words(text)]
    other = [word.casefold() for word in words(reference)]
    if not own or not other:
        return float(own == other)
    return 2 * longest_common_subsequence(own, other) / (len(own) + len(other))


def answer_tokens(text: str) -> list[str]:
    """Words as SQuAD compares answers: lower case, no punctuation, no articles."""
    bare = "".join(
        character for character in text.lower() if unicodedata.category(character)[0] not in "PS"
    )
    return ARTICLES.sub(" ", bare).split()


def exact_match(text: str, reference: str) -> float:
    return float(answer_tokens(text) == answer_tokens(reference))


def token_f1(text: str, reference: str) -> float:
    own, other = Counter(answer_tokens(text)), Counter(answer_tokens(reference))
    if not own or not other:
        return float(own == other)
    return 2 * (own & other).total() / (own.total() + other.total())
