"""A linear classifier over hashed n-grams: windows of a text, one calibrated probability.

A text is cut into windows of WINDOW characters that overlap by half; its logit is the highest of
its windows', so that an attack in the middle of a long document counts as much as one alone. The
weights ship as int8 (metrics/data/safety_*.npz); tools/train_safety.py made them, docs/safety.md
has the error rates on rows that it never saw.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from driftline.metrics.metric import METRIC_SET_VERSION
from driftline.sdk.records import TextSpan

from .hashing import BUCKETS, Buckets, Folded, Grams, fold, grams, within
from .judges import Judge, Reading

VERSION = f"{METRIC_SET_VERSION}+linear.1"  # whenever weights, features or windows change
SOURCE = "logistic regression on hashed n-grams (arXiv 0902.2206), docs/safety.md"
WINDOW = 1000  # characters of the folded text
STRIDE = WINDOW // 2
MAX_EVIDENCE = 5  # places marked in a text
DATA = "data"

Task = Literal["jailbreak", "toxicity"]
Weights = NDArray[np.float32]
Numbers = NDArray[np.float64]

PRIORS: dict[Task, float] = {"jailbreak": 0.01, "toxicity": 0.5}  # what probabilities assume
LIES: dict[Task, str] = {
    "jailbreak": "it knows English phrases of 2023, not meaning: of held-out attacks it flags 79 %"
    " of long jailbreaks, 31 % of short injections and none of 24 hidden in a document; the"
    " probability assumes one attack in 100 texts",
    "toxicity": "it knows words of English tweets, not meaning: of other toxic comments it flags"
    " 21 %, fewer than a list of swear words; the probability assumes even odds, so it is too high"
    " where toxicity is rare",
}
# On if at most 1 % of every everyday source never seen is flagged (decision 43): neither is.
ON_BY_DEFAULT: dict[Task, bool] = {"jailbreak": False, "toxicity": False}


@dataclass(frozen=True, slots=True)
class Model:
    """Weights, shape (BUCKETS,), and what turns their sum into a probability.

    calibration: slope and intercept of Platt scaling, for the odds of PRIORS. threshold: the
    probability from which a text is flagged (tools/train_safety.py says how it was chosen).
    """

    weights: Weights
    intercept: float
    calibration: tuple[float, float]
    threshold: float

    def logit(self, different: Buckets) -> float:
        """Of a window with these features: as if its vector of ones had been made of length one."""
        if not len(different):
            return self.intercept
        return self.intercept + float(self.weights[different].sum()) / math.sqrt(len(different))

    def probability(self, logit: float) -> float:
        slope, intercept = self.calibration
        return 1.0 / (1.0 + math.exp(-min(max(slope * logit + intercept, -700.0), 700.0)))


def linear_judge(task: Task) -> Judge:
    """The model that ships, as a judge; it is read from disk when the first text comes."""
    return Judge(
        lambda text: read(load_model(task), text),
        name="the model that ships",
        source=SOURCE,
        version=VERSION,
        lies=LIES[task],
        cost="milliseconds",
        default=ON_BY_DEFAULT[task],
    )


def read(model: Model, text: str) -> Reading:
    """The text's probability; evidence only when it is flagged."""
    folded = fold(text)
    kinds = grams(folded)
    found = [within(kinds, *edges) for edges in windows(folded)]
    logits = [model.logit(distinct(window.buckets)) for window in found]
    best = max(range(len(found)), key=logits.__getitem__)
    probability = model.probability(logits[best])
    if probability < model.threshold:
        return Reading(probability, False)
    return Reading(probability, True, _evidence(model, folded, found[best]))


def distinct(buckets: Buckets) -> Buckets:
    """Each once, ascending."""
    ordered = np.sort(buckets)
    first = np.ones(len(ordered), dtype=bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return ordered[first]


def windows(folded: Folded) -> Iterator[tuple[int, int]]:
    """[start, end) of each window, the last one whole; one empty window for an empty text."""
    length = len(folded.codes)
    start = 0
    while start + WINDOW < length:
        yield start, start + WINDOW
        start += STRIDE
    yield max(0, min(start, length - WINDOW)), length


@functools.cache
def load_model(task: Task) -> Model:
    """A model that ships with the package."""
    folder = resources.files("driftline.metrics").joinpath(DATA)
    facts = json.loads(folder.joinpath("safety_models.json").read_text("utf-8"))[task]
    with folder.joinpath(f"safety_{task}.npz").open("rb") as file, np.load(file) as stored:
        weights = stored["weights"]
    if weights.shape != (BUCKETS,):
        raise ValueError(f"safety_{task}.npz has {weights.shape} weights instead of {BUCKETS}")
    slope, intercept = facts["calibration"]
    return Model(
        weights.astype(np.float32) * np.float32(facts["scale"]),
        float(facts["intercept"]),
        (float(slope), float(intercept)),
        float(facts["threshold"]),
    )


def _evidence(model: Model, folded: Folded, found: Grams) -> tuple[TextSpan, ...]:
    """The words of a window whose features add most, in their order; the score is their share."""
    per_word = _by_word(_by_character(model, found, len(folded.codes)), folded)
    best = [int(i) for i in np.argsort(-per_word, kind="stable")[:MAX_EVIDENCE] if per_word[i] > 0]
    total = float(per_word[per_word > 0].sum())
    return tuple(
        TextSpan(*_place(folded, word), round(float(per_word[word]) / total, 4), "evidence")
        for word in sorted(best)
    )


def _by_character(model: Model, found: Grams, length: int) -> Numbers:
    """Each occurrence's part of the logit, spread over its characters."""
    _, inverse, counts = np.unique(found.buckets, return_inverse=True, return_counts=True)
    share = model.weights[found.buckets] / counts[inverse] / (found.ends - found.starts)
    steps = np.zeros(length + 1)
    np.add.at(steps, found.starts, share)
    np.add.at(steps, found.ends, -share)
    return np.cumsum(steps)


def _by_word(by_character: Numbers, folded: Folded) -> Numbers:
    sums = np.concatenate([[0.0], np.cumsum(by_character)])
    summed: Numbers = sums[folded.words[:, 1]] - sums[folded.words[:, 0]]
    return summed


def _place(folded: Folded, word: int) -> tuple[int, int]:
    start, end = folded.words[word]
    return int(folded.places[start]), int(folded.places[end - 1]) + 1
