"""How varied a set of events is: functions of a window's texts or vectors, for notebooks.

    from driftline.metrics.descriptors.diversity import distinct_n, self_bleu

`driftline export` writes a window's events to a file; docs/descriptors.md has an example.
A set of answers that grows more alike while its prompts do not is a model that falls into a rut.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from driftline.metrics.text import words

from .bleu import bleu_counts

MAX_PAIRED = 100  # texts that self-BLEU draws: its cost is quadratic in them


def distinct_n(texts: Sequence[str], size: int = 2) -> float | None:
    """Different word n-grams of all texts / all their word n-grams (Li et al. 2016).

    It falls as texts get more and longer: compare sets of one size. None without an n-gram.
    """
    seen: set[tuple[str, ...]] = set()
    total = 0
    for text in texts:
        found = [word.casefold() for word in words(text)]
        grams = list(zip(*(found[start:] for start in range(size)), strict=False))
        seen.update(grams)
        total += len(grams)
    return len(seen) / total if total else None


def self_bleu(texts: Sequence[str], *, draw: int = MAX_PAIRED, seed: int = 0) -> float | None:
    """Mean BLEU (0 … 100) of each drawn text against all other drawn ones (Zhu et al. 2018).

    High: the texts say the same. At most `draw` texts, without replacement, by `seed`: only
    values of equally many drawn texts compare. None with fewer than two texts of a word.
    """
    whole = [text for text in texts if words(text)]
    drawn = random.Random(seed).sample(whole, min(draw, len(whole)))
    if len(drawn) < 2:
        return None
    scores = [
        bleu_counts(text, drawn[:index] + drawn[index + 1 :]).score()
        for index, text in enumerate(drawn)
    ]
    return sum(scores) / len(scores)


def embedding_dispersion(vectors: NDArray[np.float32] | NDArray[np.float64]) -> float | None:
    """Mean cosine distance (0 … 2) of all pairs of rows; `vectors` is (n, dimensions).

    In one pass: the pairs' dot products are the squared length of the sum, less each row's own.
    None with fewer than two rows that are not zero.
    """
    lengths = np.linalg.norm(vectors, axis=1) if len(vectors) else np.zeros(0)
    units = np.asarray(vectors, dtype=np.float64)[lengths > 0] / lengths[lengths > 0, None]
    count = len(units)
    if count < 2:
        return None
    total = units.sum(axis=0)
    return float(1.0 - (total @ total - count) / (count * (count - 1)))
