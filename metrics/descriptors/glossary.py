"""Glossary fidelity: required translations, and names that must stay as they are."""

from __future__ import annotations

import json

from driftline.metrics.metric import Value, metric
from driftline.metrics.prompt import prompt_text
from driftline.sdk.records import Event

from .sides import NO_RESPONSE, text_of
from .terms import MAX_TERM_CHARACTERS, MAX_TERMS, folded, holds, terms_in

MAX_NAMED = 5


def glossary_of(value: str) -> dict[str, list[str]]:
    """Folded source term → the folded terms of which the response must hold one.

    `{"drift": "Drift", "alert": ["Alarm", "Warnung"]}`, or terms that stay: `["Driftline"]`.
    """
    if not value.lstrip().startswith("{"):
        return {term: [term] for term in terms_in(value)}
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    pairs = ((folded(source[:MAX_TERM_CHARACTERS]), _targets(t)) for source, t in found.items())
    kept = [(source, targets) for source, targets in pairs if source and targets]
    return dict(kept[:MAX_TERMS])


def _targets(value: object) -> list[str]:
    said = value if isinstance(value, list) else [value]
    texts = (folded(item[:MAX_TERM_CHARACTERS]) for item in said[:20] if isinstance(item, str))
    return [text for text in texts if text]


@metric(
    name="response_glossary_fidelity",
    title="Glossary kept",
    formula="terms of the metadata's `glossary` in the prompt whose translation the response "
    "holds / terms of it in the prompt",
    needs="the whole event",
    low=0.0,
    high=1.0,
    lies="on inflected forms, which are other words here; on a term that rightly was not needed",
    default=False,
)
def glossary_fidelity(event: Event) -> Value:
    text = text_of(event, "response")
    if text is None:
        return NO_RESPONSE
    glossary = glossary_of(event.metadata.get("glossary", ""))
    if not glossary:
        return Value(None, "no `glossary` in the event's metadata")
    asked, answered = folded(prompt_text(event)), folded(text)
    due = {source: targets for source, targets in glossary.items() if holds(asked, source)}
    if not due:
        return Value(None, "the prompt holds no term of the glossary")
    missed = [
        source for source, targets in due.items()
        if not any(holds(answered, target) for target in targets)
    ]  # fmt: skip
    stats = {"terms": float(len(due)), "missed": float(len(missed))}
    why = f"missed: {', '.join(missed[:MAX_NAMED])}" if missed else ""
    return Value(1.0 - len(missed) / len(due), why, stats=stats)
