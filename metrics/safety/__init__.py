"""Safety: personal data, secrets, prompt injection, toxicity; local, on every row (docs/safety.md).

SAFETY has the linear judges that ship; `chosen` puts an operator's model in the place of one.
"""

from __future__ import annotations

from driftline.metrics.metric import Metric

from .judged_metrics import injection_metrics, toxicity_metrics
from .leaks import LEAKS
from .linear import linear_judge

__all__ = ["SAFETY"]

SAFETY: tuple[Metric, ...] = (
    *LEAKS,
    *injection_metrics(linear_judge("jailbreak")),
    *toxicity_metrics(linear_judge("toxicity")),
)
