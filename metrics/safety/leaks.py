"""Metrics of what should not be in a text: personal data and secrets, counted and marked."""

from __future__ import annotations

from collections.abc import Callable

from driftline.metrics.metric import Compute, Metric, Needs, Value, metric
from driftline.metrics.prompt import prompt_text
from driftline.sdk.records import Event

from .credentials import secrets_in
from .pii import personal_data
from .places import Place, counted

PII_LIES = (
    "names that are not among the commonest of the United States or in small letters are missed"
    " unless a title or cue stands before them; public figures count;"
    " addresses are found by shape, about half of them"
)
SECRETS_LIES = (
    "passwords in prose and keys without a known form or a word before them are missed;"
    " sample keys of tutorials count"
)


def _counting(
    text_of: Callable[[Event], str], find: Callable[[str], list[Place]], none: str, nothing: str
) -> Compute:
    def compute(event: Event) -> Value:
        text = text_of(event)
        return counted(find(text), none) if text.strip() else Value(None, nothing)

    return compute


def _leak(
    side: str, kind: str, needs: Needs, text_of: Callable[[Event], str], nothing: str
) -> Metric:
    pii = kind == "pii"
    title = f"{'Personal data' if pii else 'Secrets'} in the {side}"
    return metric(
        name=f"{side}_{kind}",
        title=title,
        formula="places found by patterns, check digits and lists of names"
        if pii
        else "places found by forms of provider keys and by assignments of random values",
        source="docs/safety.md",
        needs=needs,
        low=0.0,
        unit="place",
        lies=PII_LIES if pii else SECRETS_LIES,
        cost="milliseconds",
    )(
        _counting(
            text_of,
            personal_data if pii else secrets_in,
            "no personal data found" if pii else "no secret found",
            nothing,
        )
    )


def _response(event: Event) -> str:
    return event.output


LEAKS: tuple[Metric, ...] = (
    _leak("prompt", "pii", "prompt", prompt_text, "no prompt"),
    _leak("response", "pii", "response", _response, "no response"),
    _leak("prompt", "secrets", "prompt", prompt_text, "no prompt"),
    _leak("response", "secrets", "response", _response, "no response"),
)
