"""The step `redact`: what the project's settings name is replaced before anything is stored.

Every path comes through it: JSON lines, OTLP, imports. An SDK may have redacted already; a second
time changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from driftline.sdk.records import ProjectSettings
from driftline.sdk.redact import Redactor

from .event import Chat, Event, ScoreFact
from .problem import Problem

REMEMBERED = 256  # redactors, one for each setting in use


@lru_cache(maxsize=REMEMBERED)
def _redactor(kinds: tuple[str, ...], patterns: tuple[str, ...]) -> Redactor:
    return Redactor(kinds, patterns)


def redactor_of(settings: ProjectSettings) -> Redactor | None:
    """What replaces in a project's texts; None when it asked for nothing."""
    if not settings.redact and not settings.redact_patterns:
        return None
    return _redactor(tuple(settings.redact), tuple(settings.redact_patterns))


def redact_event(event: Event, settings: ProjectSettings) -> Event:
    """Replace in everything that is text of the app; ids, models and versions stay."""
    redactor = redactor_of(settings)
    if redactor is None:
        return event
    text = redactor.text
    event.name, event.error, event.output = text(event.name), text(event.error), text(event.output)
    event.input = [Chat(chat.role, text(chat.content)) for chat in event.input]
    event.context = [text(document) for document in event.context]
    event.tags = [text(tag) for tag in event.tags]
    event.metadata = {text(key): text(value) for key, value in event.metadata.items()}
    return event


def redact_score(score: ScoreFact, settings: ProjectSettings) -> ScoreFact:
    """Replace in a score's words. Places in a text (`spans`) stay where they were."""
    redactor = redactor_of(settings)
    if redactor is None:
        return score
    spans = tuple(replace(span, label=redactor.text(span.label)) for span in score.spans)
    label, explanation = redactor.text(score.label), redactor.text(score.explanation)
    return replace(score, label=label, explanation=explanation, spans=spans)


def check_settings(kinds: Sequence[str], patterns: Sequence[str]) -> None:
    """Raise Problem 422 for an unknown kind, or a pattern that is wrong or could be slow."""
    _check("redact", kinds, ())
    for pattern in patterns:
        _check("redact_patterns", (), (pattern,))


def _check(field: str, kinds: Sequence[str], patterns: Sequence[str]) -> None:
    try:
        Redactor(kinds, patterns)
    except ValueError as error:
        raise Problem(422, "invalid_field", str(error), field=field) from None
