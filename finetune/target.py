"""Does the candidate predict held-out answers better? Paired by row, with a bootstrap interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from driftline.sdk.records import GateCheck

RESAMPLES = 4000
LEVEL = 0.95

Likelihood = tuple[float, int]  # NLL of a completion in nats, and its tokens


@dataclass(frozen=True, slots=True)
class Comparison:
    """Perplexities over all completion tokens; `difference` is the mean over rows of the change in
    NLL per token (nats, negative is better), with its interval [low, high]."""

    rows: int
    perplexity_before: float
    perplexity_after: float
    difference: float
    low: float
    high: float


def compare(before: Sequence[Likelihood], after: Sequence[Likelihood], seed: int) -> Comparison:
    """Percentile bootstrap over rows of paired differences (Efron & Tibshirani 1993, ch. 13)."""
    pairs = zip(before, after, strict=True)
    change = np.array([b / n - a / n for (a, n), (b, _) in pairs])
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(change), size=(RESAMPLES, len(change)))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(change[draws].mean(axis=1), [tail, 1 - tail])
    return Comparison(
        rows=len(change),
        perplexity_before=perplexity(before),
        perplexity_after=perplexity(after),
        difference=float(change.mean()),
        low=float(low),
        high=float(high),
    )


def perplexity(rows: Sequence[Likelihood]) -> float:
    """exp(Σ nll / Σ tokens), never a mean of perplexities."""
    return math.exp(sum(nll for nll, _ in rows) / sum(n for _, n in rows))


def target_check(result: Comparison) -> GateCheck:
    """Hard: the whole interval must lie below zero."""
    passed = result.high < 0
    verb = "better" if passed else "not surely better"
    return GateCheck(
        name="target_perplexity",
        passed=passed,
        hard=True,
        value=result.perplexity_after,
        baseline=result.perplexity_before,
        threshold=result.perplexity_before,
        words=(
            f"{verb} on {result.rows} held-out rows: perplexity of the answers "
            f"{result.perplexity_before:.2f} → {result.perplexity_after:.2f}; change per token "
            f"{result.difference:+.3f} nats, 95 % interval [{result.low:+.3f}, {result.high:+.3f}]"
        ),
    )
