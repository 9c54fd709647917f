"""Hedging: sentences that hold back their claim (it seems, might, as far as I know). English."""

from __future__ import annotations

import re
from collections.abc import Iterator

from driftline.metrics.metric import Value
from driftline.metrics.sentences import sentences
from driftline.sdk.records import TextSpan

from .language import english
from .sides import descriptor

HEDGES = (
    "apparently", "appears? to", "appears? that", "approximately", "arguably", "as far as i know",
    "as far as i can tell", "believed to", "can vary", "could be", "could have", "could possibly",
    "depending on", "generally", "i am not sure", "i'm not sure", "i am not certain",
    "i'm not certain", "i believe", "i think", "i suspect", "i would guess", "if i recall",
    "in general", "in most cases", "in my opinion", "in some cases", "is likely", "are likely",
    "it depends", "it is possible", "it's possible", "it is unclear", "it's unclear", "likely to",
    "maybe", "may be", "may also", "may have", "may not", "may vary", "might", "more or less",
    "not entirely clear", "not necessarily", "often", "perhaps", "possibly", "potentially",
    "presumably", "probably", "seems? to", "seems? that", "seems? like", "seemingly", "some argue",
    "sometimes", "suggests? that", "supposedly", "tends? to", "to my knowledge", "typically",
    "unlikely", "usually",
)  # fmt: skip
HEDGE = re.compile(rf"(?:{'|'.join(HEDGES)})\b", re.IGNORECASE)
WORD = re.compile(r"\b[a-z']+", re.IGNORECASE)
_HEADS = {hedge.split()[0] for hedge in HEDGES}
# Only where one of these words stands is the long pattern tried: a tenth of the time.
FIRST_WORDS = {head.replace("s?", "") for head in _HEADS} | {h.replace("s?", "s") for h in _HEADS}


def hedging(text: str) -> Value | None:
    """Sentences with a hedge / sentences. The spans are the hedges."""
    found = sentences(text)
    if not found:
        return None
    plain = text.replace("’", "'")
    spans: list[TextSpan] = []
    hedged = 0
    for sentence in found:
        hedges = list(_hedges(plain, sentence.start, sentence.end))
        hedged += bool(hedges)
        spans += hedges
    stats = {"sentences": float(len(found)), "hedged": float(hedged)}
    return Value(hedged / len(found), spans=tuple(spans), stats=stats)


def _hedges(plain: str, start: int, end: int) -> Iterator[TextSpan]:
    for word in WORD.finditer(plain, start, end):
        if word.group().lower() not in FIRST_WORDS or word.start() < start:
            continue
        if hedge := HEDGE.match(plain, word.start(), end):
            yield TextSpan(hedge.start(), hedge.end(), 1.0, "hedge")
            start = hedge.end()


HEDGING = (
    descriptor(
        "hedging", "Hedging", english(hedging), high=1.0, default=True,
        formula="sentences with a phrase of the list in metrics/descriptors/hedging.py / sentences",
        source="after Hyland 1998, Hedging in Scientific Research Articles",
        lies="a hedge may be right to be there; `may` and `often` also state facts; English only; "
        "not measured against labels",
    ),
)  # fmt: skip
