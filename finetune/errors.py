"""What can stop a job.

FinetuneError           the job fails; the message says what to do
├── NotEnoughData       too few usable rows
├── PilotFailed         the pilot did not learn, or cannot be measured
├── TrainingDiverged    the loss is not a number
└── RegistryError       the adapter cannot be stored
Interrupted             the job is left as it is
├── Cancelled           by a person, or another executor took it over
└── Stopped             this process was asked to end; the job resumes from its checkpoint
"""

from __future__ import annotations

from driftline.sdk.errors import DriftlineError


class FinetuneError(DriftlineError):
    """The job fails."""


class NotEnoughData(FinetuneError):
    """Too few usable rows."""


class PilotFailed(FinetuneError):
    """The pilot did not learn, or cannot be measured."""


class TrainingDiverged(FinetuneError):
    """The loss is not a number."""


class RegistryError(FinetuneError):
    """The adapter cannot be stored."""


class Interrupted(DriftlineError):
    """The job is left as it is."""


class Cancelled(Interrupted):
    """By a person, or another executor took it over."""


class Stopped(Interrupted):
    """This process was asked to end."""
