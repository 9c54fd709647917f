"""Does an answer claim what its context does not hold? A calibrated lexical detector (tier 0).

    found = hallucination("How long to roast?", [passage, passage], "Roast it for 3 hours. ...")
    found.probability     # that the answer holds an unsupported claim, or None with a reason
    found.sentences       # the suspicious sentences, with offsets into the answer

Two logistic regressions on the numbers of `grounding`: one per sentence, one per answer on top of
it, calibrated by Platt scaling. They are trained on the training part of RAGTruth's question
answering task (Niu et al., ACL 2024) by tools/train_hallucination.py; docs/hallucination.md has the
held-out error rates, and what the detector cannot see: a claim made of the context's own words.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from driftline.sdk.records import TextSpan

from .grounding import (
    NO_SENTENCE_LOGIT,
    Facts,
    Reading,
    answer_features,
    is_refusal,
    read_answer,
    sentence_features,
    sigmoid,
    substance,
)

MAX_ANSWER_CHARACTERS = 100_000
MAX_CONTEXT_CHARACTERS = 400_000
MAX_SENTENCES = 1000
MIN_FUNCTION_SHARE = (
    0.08  # below it a text of 20 words is not English; RAGTruth's lowest is in docs
)
LANGUAGE_WORDS = 20


@dataclass(frozen=True, slots=True)
class Grounding:
    """What was found about one answer.

    probability: that it holds an unsupported claim; None when nobody can say, with the `reason`.
    sentences: the suspicious ones, as spans of the answer with their probability and what is new.
    novel_words: share of the content words that neither context nor question holds.
    """

    probability: float | None
    reason: str
    sentences: list[TextSpan]
    novel_words: float | None


@dataclass(frozen=True, slots=True)
class Logistic:
    """A logistic regression on standardised numbers."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float

    def logit(self, values: Sequence[float]) -> float:
        parts = zip(values, self.mean, self.scale, self.weights, strict=True)
        return self.intercept + sum(w * (v - m) / s for v, m, s, w in parts)


@dataclass(frozen=True, slots=True)
class Detector:
    """The trained numbers. `framing`: stems that answers add around what they say.

    calibration: slope and intercept of Platt scaling. Thresholds are chosen on validation data.
    """

    framing: frozenset[str]
    sentence: Logistic
    answer: Logistic
    calibration: tuple[float, float]
    sentence_threshold: float
    answer_threshold: float

    def sentence_logits(self, facts: Sequence[Facts]) -> list[float]:
        """One per sentence; a refusal claims nothing."""
        return [
            NO_SENTENCE_LOGIT
            if is_refusal(fact, self.framing)
            else self.sentence.logit(sentence_features(fact, self.framing))
            for fact in facts
        ]

    def probability(self, facts: Sequence[Facts], logits: Sequence[float]) -> float:
        slope, intercept = self.calibration
        values = answer_features(facts, logits, self.framing)
        return sigmoid(slope * self.answer.logit(values) + intercept)


def hallucination(question: str, context: Sequence[str], answer: str) -> Grounding:
    """The chance that `answer` holds a claim which `context` and `question` do not support."""
    sources = [text for text in context if text.strip()]
    reason = _unreadable(sources, answer)
    if reason:
        return Grounding(None, reason, [], None)
    reading = read_answer(question, sources, answer)
    reason = _unjudgeable(reading)
    if reason:
        return Grounding(None, reason, [], reading.novel_share)
    detector = load_detector()
    logits = detector.sentence_logits(reading.facts)
    marked = _suspicious(detector, reading.facts, logits)
    return Grounding(
        probability=detector.probability(reading.facts, logits),
        reason=_told(len(marked), len(reading.facts)),
        sentences=marked,
        novel_words=reading.novel_share,
    )


@functools.cache
def load_detector() -> Detector:
    """The detector that ships with the package."""
    text = resources.files(__package__ or __name__).joinpath("data/hallucination.json").read_text()
    return parse_detector(json.loads(text))


def parse_detector(stored: Mapping[str, object]) -> Detector:
    """A detector from the JSON object that the training tool writes."""
    framing, calibration = stored["framing"], stored["calibration"]
    assert isinstance(framing, list) and isinstance(calibration, list)
    slope, intercept = map(float, calibration)
    return Detector(
        framing=frozenset(map(str, framing)),
        sentence=_logistic(stored["sentence"]),
        answer=_logistic(stored["answer"]),
        calibration=(slope, intercept),
        sentence_threshold=float(str(stored["sentence_threshold"])),
        answer_threshold=float(str(stored["answer_threshold"])),
    )


def _logistic(stored: object) -> Logistic:
    assert isinstance(stored, dict)
    return Logistic(
        tuple(stored["mean"]),
        tuple(stored["scale"]),
        tuple(stored["weights"]),
        float(stored["intercept"]),
    )


def _unreadable(sources: Iterable[str], answer: str) -> str:
    """Why nothing can be said before reading, "" when something can."""
    held = sum(map(len, sources))
    if not held:
        return "no context"
    if not answer.strip():
        return "no answer"
    if len(answer) > MAX_ANSWER_CHARACTERS:
        return f"the answer is longer than {MAX_ANSWER_CHARACTERS:,} characters"
    if held > MAX_CONTEXT_CHARACTERS:
        return f"the context is longer than {MAX_CONTEXT_CHARACTERS:,} characters"
    return ""


def _unjudgeable(reading: Reading) -> str:
    """Why the detector has no say about what was read, "" when it has."""
    if not reading.content:
        return "the answer holds no words to check"
    if len(reading.facts) > MAX_SENTENCES:
        return f"the answer has more than {MAX_SENTENCES:,} sentences"
    if reading.content >= LANGUAGE_WORDS and reading.function_share < MIN_FUNCTION_SHARE:
        return "the answer does not read as English prose, which the detector is calibrated for"
    return ""


def _suspicious(
    detector: Detector, facts: Sequence[Facts], logits: Sequence[float]
) -> list[TextSpan]:
    return [
        TextSpan(fact.sentence.start, fact.sentence.end, sigmoid(logit), _label(detector, fact))
        for fact, logit in zip(facts, logits, strict=True)
        if sigmoid(logit) >= detector.sentence_threshold
    ]


def _label(detector: Detector, fact: Facts) -> str:
    """What is new in the sentence, the hardest kind of evidence first."""
    kinds = {token.kind for token in substance(fact, detector.framing)}
    for kind in ("number", "link", "name", "word"):
        if kind in kinds:
            return f"{kind}s not in the context"
    return "not said in one place of the context"


def _told(marked: int, count: int) -> str:
    return f"{marked} of {count} sentences say something that the context does not seem to hold"
