"""What can go wrong in the metrics.

MetricsError                 (a DriftlineError)
├── FeaturesError            a drift window's features are not what the API promises (features.py)
└── ModelError               a model reference cannot be turned into a loaded model
    ├── ModelMissing         the package, repository or path is not there
    └── ModelUnsuitable      it is there, but is not what the metric needs
"""

from __future__ import annotations

from driftline.sdk.errors import DriftlineError


class MetricsError(DriftlineError):
    """The root of everything the metrics raise on purpose."""


class ModelError(MetricsError):
    """A model reference cannot be turned into a loaded model."""


class ModelMissing(ModelError):
    """The package, repository or path is not there."""


class ModelUnsuitable(ModelError):
    """The model is there, but is not what the metric needs."""
