"""Degeneration: text that repeats itself in a row, as a model caught in a loop writes.

    "the cat and the cat and the cat and …"      a run of period 3 words that reaches the end

A run is the longest stretch in which every token equals the one `period` tokens before, at least
three times the period long. Periods up to 50 tokens are tried, so a loop of long paragraphs is
seen by the compression ratio only.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from driftline.metrics.metric import Value
from driftline.metrics.text import words
from driftline.sdk.records import TextSpan

from .sides import descriptor

# A CJK character, at most 16 letters or marks: "aaaa…" without a space is many equal tokens.
TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]{1,16}|(?:[^\w\s]|_){1,16}")
MAX_PERIOD = 50
MIN_REPEATS = 3
MIN_COMPRESSED_BYTES = 200  # below, zlib's own header decides


@dataclass(frozen=True, slots=True)
class Run:
    """Tokens [start, end) that repeat with `period`, of `tokens` in all."""

    start: int = 0
    end: int = 0
    period: int = 0
    tokens: int = 0

    @property
    def share(self) -> float:
        return (self.end - self.start) / self.tokens if self.tokens else 0.0

    @property
    def repeats(self) -> float:
        return (self.end - self.start) / self.period if self.period else 0.0

    @property
    def at_end(self) -> bool:
        return self.period > 0 and self.end == self.tokens


def longest_run(ids: NDArray[np.int64]) -> Run:
    """The longest run over all periods; of equally long ones that of the smallest period."""
    best = Run(tokens=len(ids))
    for period in range(1, min(MAX_PERIOD, len(ids) // MIN_REPEATS) + 1):
        equal = ids[period:] == ids[:-period]
        if np.count_nonzero(equal) < max(
            (MIN_REPEATS - 1) * period, best.end - best.start - period
        ):
            continue  # no stretch of these can be long enough
        start, length = _longest_true(equal)
        whole = length + period
        if whole >= MIN_REPEATS * period and whole > best.end - best.start:
            best = Run(start, start + whole, period, len(ids))
    return best


def _longest_true(flags: NDArray[np.bool_]) -> tuple[int, int]:
    """Start and length of the longest stretch of True; of equal ones the last."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    if not len(starts):
        return 0, 0
    at = len(lengths) - 1 - int(np.argmax(lengths[::-1]))
    return int(starts[at]), int(lengths[at])


@lru_cache(maxsize=2)  # two metrics in turn ask about one text
def _run_of(text: str) -> tuple[Run, TextSpan | None]:
    found = [(token.start(), token.end(), token.group()) for token in TOKEN.finditer(text)]
    numbers: dict[str, int] = {}
    ids = [numbers.setdefault(token.casefold(), len(numbers)) for _, _, token in found]
    run = longest_run(np.array(ids, dtype=np.int64))
    if not run.period:
        return run, None
    label = f"{run.repeats:.3g} times"
    return run, TextSpan(found[run.start][0], found[run.end - 1][1], run.share, label)


def degeneration(text: str) -> Value | None:
    """The share of the text's tokens in its longest run, which is the span."""
    run, span = _run_of(text)
    if not run.tokens:
        return None
    stats = {"tokens": float(run.tokens), "repeats": run.repeats, "period": float(run.period)}
    label = "" if span is None else "loop at the end" if run.at_end else "loop"
    return Value(run.share, label=label, spans=(span,) if span else (), stats=stats)


def looping_tail(text: str) -> float | None:
    """The share of the tokens in the longest run, when that reaches the end; else 0."""
    run, _ = _run_of(text)
    return None if not run.tokens else run.share if run.at_end else 0.0


def compression_ratio(text: str) -> float | None:
    """UTF-8 bytes / bytes after zlib (level 6); None under 200 bytes."""
    body = text.encode("utf-8", "replace")
    return len(body) / len(zlib.compress(body, 6)) if len(body) >= MIN_COMPRESSED_BYTES else None


def distinct(text: str, size: int) -> float | None:
    """Different word n-grams / word n-grams (Li et al. 2016), case folded."""
    found = [word.casefold() for word in words(text)]
    grams = list(zip(*(found[start:] for start in range(size)), strict=False))
    return len(set(grams)) / len(grams) if grams else None


def distinct_1(text: str) -> float | None:
    return distinct(text, 1)


def distinct_2(text: str) -> float | None:
    return distinct(text, 2)


_FALLS = "it falls as texts get longer: compare texts of one length"
_LI = "Li et al. 2016, arXiv 1510.03055"

DEGENERATION = (
    descriptor(
        "degeneration", "Degeneration", degeneration, high=1.0, default=True,
        formula="tokens in the longest run that repeats a unit of 1 to 50 tokens at least 3 times "
        "/ tokens",
        lies="tables, number columns and lyrics repeat on purpose; loops of more than 50 tokens "
        "are not seen",
        cost="milliseconds",
    ),
    descriptor(
        "looping_tail", "Looping tail", looping_tail, high=1.0,
        formula="degeneration, when the run reaches the end of the text, else 0",
        lies="a table at the end looks like a loop", cost="with another metric",
    ),
    descriptor(
        "compression_ratio", "Compression ratio", compression_ratio,
        formula="UTF-8 bytes / zlib bytes (level 6)",
        source="as Radford et al. 2022 (Whisper), arXiv 2212.04356, who call > 2.4 a failure",
        lies="it rises with length, and code and tables compress well",
        none="fewer than 200 bytes",
    ),
    descriptor(
        "distinct_1", "Distinct-1", distinct_1, high=1.0, source=_LI, lies=_FALLS,
        formula="different words / words",
    ),
    descriptor(
        "distinct_2", "Distinct-2", distinct_2, high=1.0, source=_LI, lies=_FALLS,
        formula="different pairs of words / pairs of words",
    ),
)  # fmt: skip
