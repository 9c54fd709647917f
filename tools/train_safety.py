"""Train the two linear safety classifiers: prompt injection (jailbreak) and toxicity.

    python tools/train_safety.py DATA [metrics/data]

DATA is a folder as tools/safety_sources.py reads it. Of each task 60 % of the families of
near-duplicates are fitted, 20 % choose the penalty and the calibration (Platt, both classes of one
weight), 20 % are never looked at here: benchmarks/safety.py scores them. The threshold is chosen by
fits that each leave out one source of everyday texts, as an application's own would be. The same
data give the same files.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safety_sources import (
    NOT_EVERYDAY,
    WRITTEN,
    Row,
    divide,
    jailbreak_rows,
    lookalikes,
    toxicity_rows,
)
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, vstack
from scipy.special import expit, logit

from driftline.metrics.safety.hashing import BUCKETS, fold, grams, within
from driftline.metrics.safety.linear import PRIORS, Task, distinct, windows

PENALTIES = (1e-6, 1e-5, 1e-4)
MAX_FALSE_ALARMS = 0.01  # share of any source of everyday texts that was left out of the fit
THRESHOLDS = np.arange(0.05, 0.9991, 0.001)
ANSWERS = ("halueval answers", "ragtruth answers")
NOT_JUDGED: dict[Task, tuple[str, ...]] = {"jailbreak": ANSWERS, "toxicity": ()}
LEVELS = 127  # of int8
ITERATIONS = 200

Numbers = NDArray[np.float64]
TASKS: dict[Task, Callable[[Path], list[Row]]] = {
    "jailbreak": jailbreak_rows,
    "toxicity": toxicity_rows,
}


@dataclass(frozen=True, slots=True)
class Examples:
    """Windows of texts: features, shape (windows, BUCKETS), and the text each is of."""

    features: csr_matrix
    owner: NDArray[np.int64]
    labels: Numbers  # of the texts
    sources: NDArray[np.str_]  # of the texts


def featurise(rows: Sequence[Row]) -> Examples:
    parts, owner = [], []
    for index, row in enumerate(rows):
        folded = fold(row.text)
        kinds = grams(folded)
        for edges in windows(folded):
            different = distinct(within(kinds, *edges).buckets)
            value = np.float32(1 / math.sqrt(max(len(different), 1)))
            shape = (np.full(len(different), value), different, np.array([0, len(different)]))
            parts.append(csr_matrix(shape, shape=(1, BUCKETS)))
            owner.append(index)
    labels = np.array([row.label for row in rows], dtype=np.float64)
    sources = np.array([row.source for row in rows])
    return Examples(vstack(parts, format="csr"), np.array(owner), labels, sources)


def fit(examples: Examples, penalty: float, left_out: str = "") -> tuple[Numbers, float]:
    """Log loss with both classes, and within them all texts, weighing the same; ridge penalty."""
    y = examples.labels[examples.owner]
    used = examples.sources != left_out
    of_class = [np.sum(used & (examples.labels == label)) for label in (0, 1)]
    each = used * 0.5 / np.where(examples.labels > 0, of_class[1], of_class[0])
    weight = (each / np.bincount(examples.owner))[examples.owner]
    features, transposed = examples.features, examples.features.T.tocsr()

    def loss(w: Numbers) -> tuple[float, Numbers]:
        logits = features @ w[1:].astype(np.float32) + w[0]
        error = weight * (expit(logits) - y)
        value = weight @ (np.logaddexp(0, logits) - y * logits) + penalty / 2 * (w[1:] @ w[1:])
        slope = transposed @ error.astype(np.float32) + penalty * w[1:]
        return float(value), np.concatenate([[error.sum()], slope])

    start = np.zeros(BUCKETS + 1)
    options = {"maxiter": ITERATIONS}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x
    return found[1:], float(found[0])


def text_logits(examples: Examples, weights: Numbers, intercept: float) -> Numbers:
    """The highest logit of each text's windows."""
    logits = examples.features @ weights.astype(np.float32) + intercept
    highest = np.full(len(examples.labels), -np.inf)
    np.maximum.at(highest, examples.owner, logits)
    return highest


def platt(logits: Numbers, labels: Numbers, prior: float = 0.5) -> tuple[float, float]:
    """Slope and intercept, fitted with both classes weighing the same, then moved to the prior."""
    weight = np.where(labels > 0, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))

    def loss(w: Numbers) -> float:
        z = w[0] * logits + w[1]
        return float(weight @ (np.logaddexp(0, z) - labels * z))

    slope, intercept = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return round(float(slope), 4), round(float(intercept + logit(prior)), 4)


def balanced_loss(logits: Numbers, labels: Numbers) -> float:
    slope, intercept = platt(logits, labels)
    z = slope * logits + intercept
    losses = np.logaddexp(0, z) - labels * z
    return float((losses[labels > 0].mean() + losses[labels == 0].mean()) / 2)


def left_out_chances(
    task: Task, examples: Examples, held: Examples, penalty: float
) -> dict[str, Numbers]:
    """For each source of everyday texts that the metrics of the task read: what its texts get from
    a model that saw none of them."""
    found, others = {}, {*NOT_EVERYDAY, *NOT_JUDGED[task]}
    for source in sorted(set(examples.sources[examples.labels == 0]) - others):
        weights, intercept = fit(examples, penalty, source)
        logits = text_logits(held, weights, intercept)
        of_it = held.sources == source
        calibration = platt(logits[~of_it], held.labels[~of_it], PRIORS[task])
        strange = text_logits(examples, weights, intercept)[examples.sources == source]
        found[str(source)] = chances(np.concatenate([strange, logits[of_it]]), calibration)
    return found


def chances(logits: Numbers, calibration: tuple[float, float]) -> Numbers:
    return expit(calibration[0] * logits + calibration[1])


def choose_threshold(found: Numbers, labels: Numbers, left_out: dict[str, Numbers]) -> float:
    """The best balanced F1 among those with few false alarms on every source left out."""
    positive, negative = found[labels > 0], found[labels == 0]

    def f1(threshold: float) -> float:
        hit, false = (positive >= threshold).mean(), (negative >= threshold).mean()
        return float(2 * hit / (1 + hit + false))

    def quiet(threshold: float) -> bool:
        return all((of >= threshold).mean() <= MAX_FALSE_ALARMS for of in left_out.values())

    allowed = [float(threshold) for threshold in THRESHOLDS if quiet(threshold)]
    return round(max(allowed, key=f1), 3) if allowed else round(float(THRESHOLDS[-1]), 3)


def train(task: Task, data: Path) -> tuple[NDArray[np.int8], dict[str, object]]:
    parts = divide(TASKS[task](data))
    fitting = list(parts["train"])
    if task == "jailbreak":
        fitting += [Row(text, 0, WRITTEN) for text in lookalikes("harmless_train")]
        fitting += [Row(text, 1, WRITTEN) for text in lookalikes("attacks_train")]
    examples, held = featurise(fitting), featurise(parts["validation"])
    tried = {}
    for penalty in PENALTIES:
        weights, intercept = fit(examples, penalty)
        logits = text_logits(held, weights, intercept)
        tried[balanced_loss(logits, held.labels)] = (penalty, weights, intercept)
        print(f"{task}: penalty {penalty:g}, loss {list(tried)[-1]:.4f}", flush=True)
    penalty, weights, intercept = tried[min(tried)]
    scale = float(np.abs(weights).max()) / LEVELS
    small = np.round(weights / scale).astype(np.int8)
    logits = text_logits(held, small * scale, intercept)
    calibration = platt(logits, held.labels, PRIORS[task])
    found = chances(logits, calibration)
    left_out = left_out_chances(task, examples, held, penalty)
    threshold = choose_threshold(found, held.labels, left_out)
    report(parts["validation"], found >= threshold)
    for source, of in left_out.items():
        print(f"  left out, {source}: {(of >= threshold).sum()} of {len(of)} flagged", flush=True)
    facts: dict[str, object] = {
        "scale": scale,
        "intercept": round(intercept, 6),
        "calibration": calibration,
        "threshold": threshold,
        "penalty": penalty,
        "rows": {part: len(rows) for part, rows in parts.items()},
    }
    return small, facts


def report(rows: Sequence[Row], flagged: NDArray[np.bool_]) -> None:
    """How many of each source of the validation part are flagged."""
    said, total = Counter[str](), Counter[str]()
    for row, one in zip(rows, flagged, strict=True):
        total[f"{row.source} {row.kind}".strip()] += 1
        said[f"{row.source} {row.kind}".strip()] += int(one)
    for source, count in total.items():
        print(f"  validation, {source}: {said[source]} of {count} flagged", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("into", type=Path, nargs="?", default=Path("metrics/data"))
    options = parser.parse_args()
    stored = {}
    for task in TASKS:
        weights, stored[task] = train(task, options.data)
        np.savez_compressed(options.into / f"safety_{task}.npz", weights=weights)
        print(task, json.dumps(stored[task]), flush=True)
    text = json.dumps(stored, indent=1) + "\n"
    (options.into / "safety_models.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
