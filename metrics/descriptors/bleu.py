"""BLEU and chrF as sacrebleu 2 defines them (Post 2018, arXiv 1804.08771), without the dependency.

tests/metrics/descriptors/test_bleu.py holds both to sacrebleu's own numbers. Their counts add up:
the sum over texts scores the corpus as one.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

BLEU_ORDER = 4
CHRF_ORDER = 6
CHRF_BETA = 2
BLEU_SIGNATURE = "nrefs:{}|case:mixed|eff:yes|tok:13a|smooth:exp|version:2"
CHRF_SIGNATURE = "nrefs:{}|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2"

# The tokenizer of mteval-v13a, by which published BLEU is comparable.
_SPACED = (
    (re.compile(r"([{-~\[-` -&(-+:-@/])"), r" \1 "),
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))


def tokens_13a(text: str) -> list[str]:
    line = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, character in _ENTITIES:
        line = line.replace(entity, character)
    line = f" {line} "
    for pattern, spaced in _SPACED:
        line = pattern.sub(spaced, line)
    return line.split()


@dataclass(frozen=True, slots=True)
class BleuCounts:
    """Matches and n-grams of each order 1 … 4, and the lengths in tokens."""

    matches: tuple[int, ...]
    ngrams: tuple[int, ...]
    length: int
    reference_length: int

    def __add__(self, other: BleuCounts) -> BleuCounts:
        return BleuCounts(
            tuple(map(sum, zip(self.matches, other.matches, strict=True))),
            tuple(map(sum, zip(self.ngrams, other.ngrams, strict=True))),
            self.length + other.length,
            self.reference_length + other.reference_length,
        )

    def score(self, effective_order: bool = True) -> float:
        """0 … 100. `effective_order`: only orders that the text has (single texts; not corpora)."""
        if not any(self.matches):
            return 0.0
        smooth, logs = 1.0, []
        for matches, ngrams in zip(self.matches, self.ngrams, strict=True):
            if not ngrams:
                break
            if not matches:
                smooth *= 2
            logs.append(math.log(100.0 * matches / ngrams if matches else 100.0 / smooth / ngrams))
        if not effective_order and len(logs) < len(self.ngrams):
            return 0.0
        return self._brevity() * math.exp(sum(logs) / len(logs))

    def _brevity(self) -> float:
        if self.length >= self.reference_length:
            return 1.0
        return math.exp(1 - self.reference_length / self.length) if self.length else 0.0


def bleu_counts(text: str, references: Sequence[str]) -> BleuCounts:
    """Counts against one or more references; n-grams are clipped by their most frequent use."""
    found = tokens_13a(text)
    others = [tokens_13a(reference) for reference in references]
    matches, ngrams = [], []
    for order in range(1, BLEU_ORDER + 1):
        counts, allowed = _grams(found, order), Counter[tuple[str, ...]]()
        for other in others:
            allowed |= _grams(other, order)
        matches.append((counts & allowed).total())
        ngrams.append(counts.total())
    closest = min((abs(len(other) - len(found)), len(other)) for other in others)[1]
    return BleuCounts(tuple(matches), tuple(ngrams), len(found), closest)


def _grams(tokens: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(tokens[start:] for start in range(order)), strict=False))


@dataclass(frozen=True, slots=True)
class ChrfCounts:
    """Of each order 1 … 6: character n-grams of the text, of the reference, and common ones."""

    ngrams: tuple[int, ...]
    reference_ngrams: tuple[int, ...]
    matches: tuple[int, ...]

    def __add__(self, other: ChrfCounts) -> ChrfCounts:
        mine, theirs = (self.ngrams, self.reference_ngrams, self.matches), (
            other.ngrams, other.reference_ngrams, other.matches,
        )  # fmt: skip
        return ChrfCounts(
            *(tuple(map(sum, zip(a, b, strict=True))) for a, b in zip(mine, theirs, strict=True))
        )

    def score(self) -> float:
        """0 … 100: F2 of the mean precision and recall over the orders that both texts have."""
        rows = zip(self.ngrams, self.reference_ngrams, self.matches, strict=True)
        both = [(match / own, match / other) for own, other, match in rows if own and other]
        if not both:
            return 0.0
        precision = sum(row[0] for row in both) / len(both)
        recall = sum(row[1] for row in both) / len(both)
        if not precision + recall:
            return 0.0
        factor = CHRF_BETA**2
        return 100 * (1 + factor) * precision * recall / (factor * precision + recall)


def chrf_counts(text: str, references: Sequence[str]) -> ChrfCounts:
    """Counts against the reference that scores best, the first of equal ones."""
    own = _character_grams(text)
    return max((_matched(own, _character_grams(other)) for other in references), key=_score)


def _score(counts: ChrfCounts) -> float:
    return counts.score()


def _character_grams(text: str) -> list[Counter[str]]:
    bare = "".join(text.split())
    return [
        Counter(bare[start : start + order] for start in range(len(bare) - order + 1))
        for order in range(1, CHRF_ORDER + 1)
    ]


def _matched(own: Sequence[Counter[str]], other: Sequence[Counter[str]]) -> ChrfCounts:
    pairs = list(zip(own, other, strict=True))
    return ChrfCounts(
        tuple(mine.total() if theirs else 0 for mine, theirs in pairs),
        tuple(theirs.total() for theirs in other),
        tuple((mine & theirs).total() for mine, theirs in pairs),
    )
