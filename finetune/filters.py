"""Which traffic is good enough to learn from. A filter answers with the reason to drop, or None."""

from __future__ import annotations

from typing import Literal

from driftline.sdk.records import Event, EventRow, JobSpec

from .duplicates import words
from .prompt import is_multi_turn, question_of

HALLUCINATION = "hallucination"
REFUSAL = "response_refusal"
REFUSAL_LIMIT = 0.5

Reason = Literal[
    "error",
    "refusal",
    "hallucinated",
    "unscored",
    "empty",
    "too_short",
    "truncated",
    "no_question",
    "multi_turn",
    "too_long",
    "duplicate",
    "near_duplicate",
    "over_max_rows",
    "leak",
    "deleted",
]


def drop_row(row: EventRow, spec: JobSpec) -> Reason | None:
    """By what a list shows, before the body is read."""
    if row.status != "ok":
        return "error"
    if row.scores.get(REFUSAL, 0.0) >= REFUSAL_LIMIT:
        return "refusal"
    if row.scores.get(HALLUCINATION, 0.0) > spec.max_hallucination:
        return "hallucinated"
    return None


def drop_event(row: EventRow, event: Event) -> Reason | None:
    """By the body. An answer to passages must have been checked against them."""
    if not event.output.strip():
        return "empty"
    if not words(event.output):
        return "too_short"
    if event.truncated:
        return "truncated"
    if is_multi_turn(event):
        return "multi_turn"
    if not question_of(event):
        return "no_question"
    return "unscored" if is_unscored(row) and any(event.context) else None


def is_unscored(row: EventRow) -> bool:
    return HALLUCINATION not in row.scores
