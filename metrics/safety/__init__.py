"""Safety: what should not be in a text, found locally, on every row (docs/safety.md)."""

from __future__ import annotations

from driftline.metrics.metric import Metric

from .leaks import LEAKS

__all__ = ["SAFETY"]

SAFETY: tuple[Metric, ...] = LEAKS
