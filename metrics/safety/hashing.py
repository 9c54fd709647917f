"""Hashed n-grams of a text, with the characters they cover: numpy only, linear in the text.

Letters are folded (Unicode NFKD, then case), digits become 0, marks and invisible characters fall
out, runs of white space become one space; offsets into the text as it was are kept. The features
are the runs of 3, 4 and 5 characters, single words and pairs of words; each is hashed to a bucket
(Weinberger et al. 2009, arXiv 0902.2206), so no vocabulary ships, and none leaks.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BUCKET_BITS = 18
BUCKETS = 1 << BUCKET_BITS
GRAM_CHARACTERS = (3, 4, 5)
SPACE, DROPPED = ord(" "), 0

Codes = NDArray[np.uint32]
Hashes = NDArray[np.uint64]
Indices = NDArray[np.int64]
Buckets = NDArray[np.int32]

_STEP = np.uint64(0x9E3779B97F4A7C15)  # odd, so that it has an inverse modulo 2^64
_STEP_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 1 << 64))
_PAIR = np.uint64(0xC2B2AE3D27D4EB4F)
_MIX = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True, slots=True)
class Folded:
    """A text after folding. `codes` and `places` are of one length n.

    places: where in the text each code comes from, ascending. words: [start, end) of each run of
    letters and digits in `codes`, shape (words, 2).
    """

    codes: Codes
    places: Indices
    words: Indices


@dataclass(frozen=True, slots=True)
class Grams:
    """Occurrences of features: `buckets`, and the codes [starts, ends) of the folded text."""

    buckets: Buckets
    starts: Indices
    ends: Indices


def fold(text: str) -> Folded:
    """The text as the features see it. Lone surrogates are symbols like any other."""
    raw = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    different, inverse = np.unique(raw, return_inverse=True)
    table = np.array([_fold_one(int(code)) for code in different], dtype=np.uint32)
    folded = table[inverse] if len(raw) else raw
    kept = np.flatnonzero(folded != DROPPED)
    codes = folded[kept]
    spaces = codes == SPACE
    again = np.zeros(len(codes), dtype=bool)
    again[1:] = spaces[1:] & spaces[:-1]
    codes, kept = codes[~again], kept[~again]
    return Folded(codes, kept, _words(codes))


def grams(folded: Folded) -> tuple[Grams, ...]:
    """The features of a text, kind by kind, each kind in the order of the text."""
    codes = folded.codes.astype(np.uint64)
    words = _word_hashes(codes, folded.words)
    runs = [_characters(codes, size) for size in GRAM_CHARACTERS]
    return (*runs, _single(words, folded.words), _pairs(words, folded.words))


def within(kinds: Sequence[Grams], start: int, end: int) -> Grams:
    """The occurrences that lie in the codes [start, end) from end to end."""
    slices = [(kind, *_inside(kind, start, end)) for kind in kinds]
    return Grams(
        np.concatenate([kind.buckets[first:last] for kind, first, last in slices]),
        np.concatenate([kind.starts[first:last] for kind, first, last in slices]),
        np.concatenate([kind.ends[first:last] for kind, first, last in slices]),
    )


def _inside(kind: Grams, start: int, end: int) -> tuple[int, int]:
    first = int(np.searchsorted(kind.starts, start))
    return first, max(first, int(np.searchsorted(kind.ends, end, side="right")))


@functools.lru_cache(maxsize=1 << 16)
def _fold_one(code: int) -> int:
    """One code point folded: its first character after NFKD and case folding."""
    if 0xD800 <= code <= 0xDFFF:
        return code
    character = chr(code)
    if character.isspace():
        return SPACE
    if unicodedata.category(character) in ("Mn", "Me", "Cf", "Cc"):
        return DROPPED
    plain = unicodedata.normalize("NFKD", character).casefold()[:1]
    if plain.isspace():
        return SPACE
    return ord("0") if plain.isdigit() else ord(plain)


def _words(codes: Codes) -> Indices:
    different, inverse = np.unique(codes, return_inverse=True)
    letters = np.array([chr(int(code)).isalnum() for code in different], dtype=bool)
    inside = np.zeros(len(codes) + 2, dtype=np.int8)
    if len(codes):
        inside[1:-1] = letters[inverse]
    edges = np.diff(inside)
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return np.stack([starts, ends], axis=1).astype(np.int64)


def _characters(codes: Hashes, size: int) -> Grams:
    count = max(0, len(codes) - size + 1)
    hashed = np.full(count, size, dtype=np.uint64)
    for offset in range(size):
        hashed = hashed * _STEP + codes[offset : offset + count]
    starts = np.arange(count, dtype=np.int64)
    return Grams(_buckets(hashed), starts, starts + size)


def _word_hashes(codes: Hashes, words: Indices) -> Hashes:
    """One polynomial hash a word, out of sums over the whole text (modulo 2^64)."""
    powers = np.full(len(codes) + 1, _STEP, dtype=np.uint64)
    inverses = np.full(len(codes) + 1, _STEP_INVERSE, dtype=np.uint64)
    powers[0] = inverses[0] = 1
    powers, inverses = np.cumprod(powers), np.cumprod(inverses)
    sums = np.zeros(len(codes) + 1, dtype=np.uint64)
    sums[1:] = np.cumsum(codes * powers[:-1])
    starts, ends = words[:, 0], words[:, 1]
    hashed: Hashes = (sums[ends] - sums[starts]) * inverses[starts] * _MIX + np.uint64(1)
    return hashed


def _single(hashed: Hashes, words: Indices) -> Grams:
    return Grams(_buckets(hashed), words[:, 0], words[:, 1])


def _pairs(hashed: Hashes, words: Indices) -> Grams:
    return Grams(_buckets(hashed[:-1] * _PAIR + hashed[1:]), words[:-1, 0], words[1:, 1])


def _buckets(hashed: Hashes) -> Buckets:
    mixed = (hashed ^ (hashed >> np.uint64(29))) * _MIX
    mixed ^= mixed >> np.uint64(32)
    return (mixed & np.uint64(BUCKETS - 1)).astype(np.int32)
