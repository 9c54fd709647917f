"""Does the 95 % interval of the hallucination rate hold the true rate, and how wide is it?

    python benchmarks/hallucination_rate.py                 # about a minute of one core
    python benchmarks/hallucination_rate.py --trials 200    # quick
    python benchmarks/hallucination_rate.py --ragtruth PATH/ragtruth_qa.jsonl.gz

Seeded traffic whose true rate is known: answers are hallucinated at a rate, a detector of AUROC
.83 (two normals 1.35 apart) gives each a probability, and some answers drawn at random are
labelled. The detector is calibrated, says too much (logit + 1), too little (logit - 1), or knows
nothing. A row tells how often the interval held the rate, with the 95 % Clopper-Pearson interval of
that share over the trials, and its mean width, for three estimators: the shipped one, labels only
(the same without predictions), predictions only.

With --ragtruth the shipped detector's own probabilities on the test split take the place of the
normals: windows and labels are drawn from them with replacement, the true rate is the split's.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from driftline.collector.ppi import Interval, Sums, prediction_powered, predictions_only

SEED = 20261121
SEPARATION = 1.35  # AUROC .83
WINDOW = 2000
RATES = (0.05, 0.25)
LABELS = (20, 50, 100, 300)
DETECTORS = {"calibrated": (1.0, 0.0), "says too much": (1.0, 1.0), "says too little": (1.0, -1.0)}

Numbers = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], tuple[Numbers, Numbers]]


@dataclass(slots=True)
class Tally:
    """Of one estimator."""

    held: int = 0
    width: float = 0.0
    trials: int = 0

    def add(self, found: Interval, rate: float) -> None:
        self.held += found.low <= rate <= found.high
        self.width += found.high - found.low
        self.trials += 1

    def __str__(self) -> str:
        low = beta.ppf(0.025, self.held, self.trials - self.held + 1) if self.held else 0.0
        missed = self.trials - self.held
        high = beta.ppf(0.975, self.held + 1, missed) if missed else 1.0
        share, width = self.held / self.trials, self.width / self.trials
        return f"{share:.3f} [{low:.3f}, {high:.3f}], {width:.3f}"


def sums(f: Numbers, y: Numbers, w: Numbers | None = None) -> Sums:
    """What the collector's query computes."""
    w = np.ones(len(f)) if w is None else w
    squares = w * w
    parts = (w, w * f, w * y, squares, squares * f, squares * y)
    more = (squares * f * f, squares * f * y, squares * y * y)
    return Sums(len(f), *(float(part.sum()) for part in (*parts, *more)))


def normals(rate: float, slope: float, shift: float) -> Draw:
    """Probabilities and labels; slope 1 and shift 0 are calibrated."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Numbers, Numbers]:
        y = (rng.random(n) < rate).astype(float)
        seen = rng.normal(size=n) + SEPARATION * y
        logit = np.log(rate / (1 - rate)) + SEPARATION * seen - SEPARATION**2 / 2
        return 1 / (1 + np.exp(-(slope * logit + shift))), y

    return draw


def coin(rate: float) -> Draw:
    """A detector that knows nothing."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Numbers, Numbers]:
        return rng.beta(2, 3, n), (rng.random(n) < rate).astype(float)

    return draw


def again(f: Numbers, y: Numbers) -> Draw:
    """Recorded pairs, with replacement."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Numbers, Numbers]:
        rows = rng.integers(0, len(f), n)
        return f[rows], y[rows]

    return draw


def measure(name: str, draw: Draw, rate: float, labels: int, trials: int, weigh: bool) -> None:
    """Print one row. With `weigh`, what looks harmless was kept one time in four."""
    rng = np.random.default_rng(SEED)
    powered, alone, trusting = Tally(), Tally(), Tally()
    for _ in range(trials):
        f, y = draw(rng, WINDOW)
        w = np.ones(WINDOW)
        if weigh:
            kept = rng.random(WINDOW) < np.where(f < np.median(f), 0.25, 1.0)
            w = np.where(f < np.median(f), 4.0, 1.0)[kept]
            f, y = f[kept], y[kept]
        chosen = np.zeros(len(f), dtype=bool)
        chosen[rng.choice(len(f), labels, replace=False)] = True
        labelled, rest = (
            sums(f[chosen], y[chosen], w[chosen]),
            sums(f[~chosen], 0 * f[~chosen], w[~chosen]),
        )
        powered.add(prediction_powered(labelled, rest), rate)
        alone.add(prediction_powered(labelled, Sums()), rate)
        trusting.add(predictions_only(sums(f, 0 * f, w)), rate)
    print(f"| {name} | {rate:.3f} | {labels} | {powered} | {alone} | {trusting} |", flush=True)


def recorded(path: Path) -> tuple[Numbers, Numbers]:
    """The shipped detector's probability and the label of each test answer that it judges."""
    from driftline.metrics.hallucination import hallucination

    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if row["split"] == "test"]
    found = [
        (judged.probability, float(bool(row["labels"])))
        for row in rows
        if (judged := hallucination(row["question"], [row["context"]], row["response"])).probability
        is not None
    ]
    f, y = zip(*found, strict=True)
    return np.array(f, dtype=float), np.array(y)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--ragtruth", type=Path)
    options = parser.parse_args(arguments)
    print(f"{options.trials} trials a row, windows of {WINDOW} answers, seed {SEED}\n")
    print("| detector | rate | labels | prediction-powered | labels only | predictions only |")
    print("|---|---|---|---|---|---|")
    if options.ragtruth:
        f, y = recorded(options.ragtruth)
        for labels in LABELS:
            measure(
                "shipped, RAGTruth", again(f, y), float(y.mean()), labels, options.trials, False
            )
        return
    for rate in RATES:
        for labels in LABELS:
            for name, (slope, shift) in DETECTORS.items():
                draw = normals(rate, slope, shift)
                measure(name, draw, rate, labels, options.trials, False)
        measure("knows nothing", coin(rate), rate, 100, options.trials, False)
        weighed = normals(rate, *DETECTORS["says too much"])
        measure("says too much, sampled", weighed, rate, 100, options.trials, True)


if __name__ == "__main__":
    main()
