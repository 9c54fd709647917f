"""Sentiment: how positive or negative, and how subjective, the wording of an English text is.

Polarity follows VADER (Hutto & Gilbert 2014): word valences rated by ten people, turned by
negations, raised and lowered by degree words, weighed around "but". VADER adds up a whole text,
so that any long one is at an end of the scale; here each sentence is scored, and the text is their
mean. Subjectivity is the mean of the words in the lexicon of De Smedt & Daelemans 2012.
"""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources

from driftline.metrics.metric import Metric, Value
from driftline.metrics.text import sentences, words

from .language import english
from .sides import Side, descriptor

LOOK_BACK = 3  # words before a valued one that may turn it
DEGREE = 0.293  # what a degree word adds (VADER's measured mean)
FADING = (1.0, 0.95, 0.9)  # of a degree word that stands 1, 2, 3 words before
NEGATED = -0.74
EXCLAMATION, MAX_EXCLAMATIONS = 0.292, 4
SPREAD = 15.0
BEFORE_BUT, AFTER_BUT = 0.5, 1.5

_NEGATIONS = """
aint arent cannot cant couldnt didnt doesnt dont hadnt hasnt havent isnt mustnt neither never no
nobody none nor not nothing nowhere rarely seldom shouldnt wasnt werent without wont wouldnt
"""
NEGATIONS = frozenset(_NEGATIONS.split())
_MORE = """
absolutely amazingly completely considerably deeply enormously entirely especially exceptionally
extremely fully greatly highly hugely incredibly intensely more most particularly purely quite
really remarkably so substantially thoroughly total totally tremendously truly utterly very
"""
_LESS = """
almost barely hardly kinda less little marginally occasionally partly scarcely slightly somewhat
sorta
"""
DEGREES = dict.fromkeys(_MORE.split(), DEGREE) | dict.fromkeys(_LESS.split(), -DEGREE)
EDGES = re.compile(r"^[^\w]+|[^\w]+$")


@cache
def valences() -> dict[str, float]:
    """VADER's lexicon: a word or emoticon → -4 … 4."""
    return {word: numbers[0] for word, numbers in _lexicon("valence_en.tsv.gz").items()}


@cache
def subjectivities() -> dict[str, float]:
    """De Smedt & Daelemans' lexicon: a word → 0 (objective) … 1 (subjective)."""
    return {word: numbers[0] for word, numbers in _lexicon("subjectivity_en.tsv.gz").items()}


def _lexicon(name: str) -> dict[str, list[float]]:
    packed = resources.files(__package__).joinpath("data", name).read_bytes()
    lines = gzip.decompress(packed).decode("utf-8").splitlines()
    rows = (line.split("\t") for line in lines)
    return {word: [float(number) for number in numbers] for word, *numbers in rows}


def polarity(text: str) -> Value | None:
    """The mean polarity of the sentences, -1 … 1. stats: `sentences`, and those not neutral."""
    scores = [sentence_polarity(sentence) for sentence in sentences(text)]
    if not scores:
        return None
    charged = sum(1 for score in scores if score)
    stats = {"sentences": float(len(scores)), "charged": float(charged)}
    return Value(sum(scores) / len(scores), stats=stats)


def sentence_polarity(sentence: str) -> float:
    """-1 … 1, 0 where no word has a valence."""
    tokens = [_token(part) for part in sentence.split()]
    values = [_valence(tokens, index) for index in range(len(tokens))]
    if "but" in tokens:
        turn = tokens.index("but")
        values = [
            value * (BEFORE_BUT if index < turn else AFTER_BUT)
            for index, value in enumerate(values)
        ]
    total = sum(values)
    if total:
        loud = EXCLAMATION * min(sentence.count("!"), MAX_EXCLAMATIONS)
        total += math.copysign(loud, total)
    return total / math.sqrt(total * total + SPREAD)


def _token(part: str) -> str:
    """A word without the marks around it; an emoticon as it is."""
    if part.isalpha():
        return part.lower()
    stripped = EDGES.sub("", part[:100])
    kept = part if part in valences() and not stripped.isalpha() else stripped
    return kept.lower() if kept is stripped else kept


def _valence(tokens: Sequence[str], index: int) -> float:
    rated = valences().get(tokens[index], 0.0)
    if not rated or tokens[index] in DEGREES:
        return 0.0
    value, negated = rated, False
    for back in range(1, min(LOOK_BACK, index) + 1):
        before = tokens[index - back]
        if before in DEGREES:
            value += math.copysign(1.0, rated) * DEGREES[before] * FADING[back - 1]
        negated = negated or _negates(before)
    return value * NEGATED if negated else value


def _negates(word: str) -> bool:
    plain = word.replace("’", "'")
    return plain.replace("'", "") in NEGATIONS or plain.endswith("n't")


def subjectivity(text: str) -> Value | None:
    """Mean over the words that the lexicon holds, 0 with none. stats: `words` that it holds."""
    found = words(text)
    if not found:
        return None
    known = [value for word in found if (value := subjectivities().get(word.lower())) is not None]
    return Value(sum(known) / len(known) if known else 0.0, stats={"words": float(len(known))})


def _polarity(side: Side, default: bool = False) -> Metric:
    return descriptor(
        "sentiment_polarity", f"Sentiment of the {side}", english(polarity), side=side,
        low=-1.0, high=1.0, default=default,
        formula="mean over sentences of v/√(v²+15), v the sum of word valences with negation, "
        "degree words and `but`",
        source="Hutto & Gilbert 2014 (VADER), here per sentence",
        lies="on irony, comparisons, quotations and technical words (kill a process); English "
        "only; measured in docs/descriptors.md",
        cost="milliseconds",
    )  # fmt: skip


SENTIMENT = (
    _polarity("response", default=True),
    _polarity("prompt"),
    descriptor(
        "sentiment_subjectivity", "Subjectivity", english(subjectivity), high=1.0,
        formula="mean subjectivity of the words in the lexicon, 0 when it holds none",
        source="De Smedt & Daelemans 2012, JMLR 13",
        lies="one opinionated word of a long factual text decides; English only; not measured",
    ),
)  # fmt: skip
