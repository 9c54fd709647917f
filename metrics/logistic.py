"""A logistic regression on standardised numbers, as the training tools store it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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


def parse_logistic(stored: object) -> Logistic:
    """From the JSON object {mean, scale, weights, intercept}."""
    assert isinstance(stored, dict)
    return Logistic(
        tuple(stored["mean"]),
        tuple(stored["scale"]),
        tuple(stored["weights"]),
        float(stored["intercept"]),
    )
