"""Exact and near duplicates among texts, by word shingles.

Two texts are near duplicates when the Jaccard similarity of their sets of SHINGLE_WORDS-word
shingles is at least NEAR (Broder, "On the resemblance and containment of documents", 1997).
Datasets here have hundreds of rows, so the similarity is exact, through an inverted index, and no
MinHash is needed.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from typing import Literal

SHINGLE_WORDS = 4
NEAR = 0.8
_WORD = re.compile(r"\w+")

Shingle = tuple[str, ...]
Kind = Literal["duplicate", "near_duplicate"]


def words(text: str) -> list[str]:
    """Lower-case words without punctuation, in Unicode's compatibility form."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def fingerprint(text: str) -> str:
    """The hash of the words of a text; of the text itself when it has no words."""
    normal = " ".join(words(text)) or text.strip()
    return hashlib.sha256(normal.encode("utf-8", "surrogatepass")).hexdigest()


def shingles(text: str) -> set[Shingle]:
    """All runs of SHINGLE_WORDS words; a shorter text is one shingle."""
    tokens = words(text)
    if len(tokens) <= SHINGLE_WORDS:
        return {tuple(tokens)} if tokens else set()
    last = len(tokens) - SHINGLE_WORDS
    return {tuple(tokens[i : i + SHINGLE_WORDS]) for i in range(last + 1)}


class Seen:
    """The texts met so far; tells what a new text repeats."""

    def __init__(self, near: float = NEAR) -> None:
        self._near = near
        self._hashes: set[str] = set()
        self._sizes: list[int] = []
        self._holders: defaultdict[Shingle, list[int]] = defaultdict(list)

    def repeats(self, text: str) -> Kind | None:
        """What `text` is of a text added before, or None."""
        if fingerprint(text) in self._hashes:
            return "duplicate"
        return "near_duplicate" if self.similarity(text) >= self._near else None

    def similarity(self, text: str) -> float:
        """The largest Jaccard similarity to a text added before, 0 when there is none."""
        mine = shingles(text)
        shared = Counter(holder for shingle in mine for holder in self._holders.get(shingle, ()))
        return max(
            (n / (len(mine) + self._sizes[holder] - n) for holder, n in shared.items()),
            default=0.0,
        )

    def add(self, text: str) -> None:
        mine = shingles(text)
        for shingle in mine:
            self._holders[shingle].append(len(self._sizes))
        self._sizes.append(len(mine))
        self._hashes.add(fingerprint(text))
