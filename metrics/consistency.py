"""Does a model say the same when it is asked again? Scores over samples of one prompt.

What a model knows it repeats; what it makes up comes out differently each time (Farquhar et al.,
Nature 630, 2024; Manakul et al. 2023, arXiv 2303.08896). Pure functions of strings, standard
library only. A model that is always wrong in the same way is consistent: this finds wavering.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .sentences import sentences

TOKEN = re.compile(r"\w+|[^\w\s]")
WORD = re.compile(r"\w+(?:['’]\w+)*")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
SHARED_WORDS = 0.5  # F1 of two answers' own words, above which they may mean the same
NEAR = 0.85  # cosine; both bounds are chosen by hand: docs/hallucination.md
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_COMMON = """
a an the is are was were be been it its this that these those of in on at to for from by with and
or as he she they i you we has have had do does did will would can could may about so
"""
COMMON = frozenset(_COMMON.split())
NEGATIONS = frozenset(("no", "not", "never", "none", "nor", "cannot", "without"))

Same = Callable[[str, str], bool]
Entails = Callable[[str, str], bool]  # premise, hypothesis
Contradicts = Callable[[str, str], float]  # premise, hypothesis; 0 to 1
Cosine = Callable[[str, str], float]


# ------------------------------------------------------------------ SelfCheck n-gram


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """SelfCheckGPT's unigram variant: -log p in nats, the higher the less the samples bear it out.

    Per sentence the mean and the highest of its tokens; `mean` over all tokens; `highest` the mean
    of the sentences' highest.
    """

    sentence_means: tuple[float, ...]
    sentence_highest: tuple[float, ...]
    mean: float
    highest: float


def self_check(passage: Sequence[str], samples: Sequence[str]) -> SelfCheck | None:
    """How surprising the sentences of `passage` are to the words of passage and samples together.

    Lower case, tokens are words and single marks. None where the passage holds no token.
    """
    sentences_of = [tokens for text in passage if (tokens := _tokens(text))]
    if not sentences_of:
        return None
    counts = Counter(token for tokens in sentences_of for token in tokens)
    counts.update(token for sample in samples for token in _tokens(sample))
    total = math.log(counts.total())
    nats = [[total - math.log(counts[token]) for token in tokens] for tokens in sentences_of]
    highest = tuple(max(sentence) for sentence in nats)
    return SelfCheck(
        sentence_means=tuple(_mean(sentence) for sentence in nats),
        sentence_highest=highest,
        mean=_mean([value for sentence in nats for value in sentence]),
        highest=_mean(highest),
    )


def mean_self_check(samples: Sequence[str]) -> float | None:
    """Each sample checked by the others; None with fewer than two, or none that holds a token."""
    if len(samples) < 2:
        return None
    found = [
        checked.mean
        for place, sample in enumerate(samples)
        if (
            checked := self_check(
                [part.text for part in sentences(sample)],
                [other for index, other in enumerate(samples) if index != place],
            )
        )
    ]
    return _mean(found) if found else None


def contradiction(samples: Sequence[str], contradicts: Contradicts) -> float | None:
    """SelfCheckGPT's NLI variant, 0 to 1: how far samples contradict each other's sentences.

    Mean over the sentences of all samples. None with fewer than two, or none that holds a word.
    """
    if len(samples) < 2:
        return None
    found = [
        contradicts(other, part.text)
        for place, sample in enumerate(samples)
        for part in sentences(sample)
        for index, other in enumerate(samples)
        if index != place
    ]
    return _mean(found) if found else None


# ------------------------------------------------------------------ semantic entropy


@dataclass(frozen=True, slots=True)
class Meanings:
    """The samples of one prompt by meaning: `clusters` holds places of samples, largest first."""

    clusters: tuple[tuple[int, ...], ...]

    @property
    def samples(self) -> int:
        return sum(map(len, self.clusters))

    @property
    def entropy(self) -> float | None:
        """Discrete semantic entropy in nats, in [0, ln samples]; None with fewer than two."""
        if self.samples < 2:
            return None
        shares = (len(cluster) / self.samples for cluster in self.clusters)
        return max(0.0, -math.fsum(share * math.log(share) for share in shares))

    @property
    def consistency(self) -> float | None:
        """The share of samples that say what most say; None with fewer than two."""
        return len(self.clusters[0]) / self.samples if self.samples >= 2 else None


def meanings(samples: Sequence[str], same: Same) -> Meanings:
    """Clusters in one pass: a sample joins the first cluster whose first member means the same."""
    clusters: list[list[int]] = []
    for place, sample in enumerate(samples):
        for cluster in clusters:
            first = samples[cluster[0]]
            if first == sample or same(first, sample):
                cluster.append(place)
                break
        else:
            clusters.append([place])
    clusters.sort(key=len, reverse=True)  # stable: of equals the first
    return Meanings(tuple(map(tuple, clusters)))


# --------------------------------------------------------- when do two answers mean the same?


def by_entailment(prompt: str, entails: Entails) -> Same:
    """Each entails the other, read as answers to the prompt: the definition of Farquhar et al."""

    def same(one: str, other: str) -> bool:
        first, second = f"{prompt} {one}", f"{prompt} {other}"
        return entails(first, second) and entails(second, first)

    return same


def by_embedding(prompt: str, cosine: Cosine) -> Same:
    """Near in embedding space or in words, with the same numbers and negations.

    Embeddings put "is" beside "is not" and 1903 beside 1908, so those must agree.
    """

    def same(one: str, other: str) -> bool:
        if not _same_facts(one, other):
            return False
        return shared_words(prompt, one, other) >= SHARED_WORDS or cosine(one, other) >= NEAR

    return same


def by_words(prompt: str) -> Same:
    """Half of the words that are not the prompt's own are shared, with numbers and negations."""

    def same(one: str, other: str) -> bool:
        return _same_facts(one, other) and shared_words(prompt, one, other) >= SHARED_WORDS

    return same


def shared_words(prompt: str, one: str, other: str) -> float:
    """F1 of the content words of two answers, those of the prompt left out where others are left.

    "The capital of France is Paris." and "Paris" share everything that answers the question.
    """
    asked = _words(prompt)
    first, second = _words(one), _words(other)
    if first - asked and second - asked:
        first, second = first - asked, second - asked
    total = len(first) + len(second)
    return 2 * len(first & second) / total if total else 1.0


def _same_facts(one: str, other: str) -> bool:
    return _numbers(one) == _numbers(other) and _negated(one) == _negated(other)


def _numbers(text: str) -> frozenset[str]:
    return frozenset(NUMBER.findall(THOUSANDS.sub("", text)))


def _negated(text: str) -> bool:
    words = WORD.findall(text.lower().replace("’", "'"))
    return any(word in NEGATIONS or word.endswith("n't") for word in words)


def _words(text: str) -> frozenset[str]:
    return frozenset(WORD.findall(THOUSANDS.sub("", text.lower()))) - COMMON


def _tokens(text: str) -> list[str]:
    return TOKEN.findall(text.lower())


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
