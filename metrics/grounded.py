"""The grounding scores of events: hallucination (`fusion`) and novel words."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from driftline.sdk.records import Event, Score

from .fusion import Pieces
from .hallucination import hallucination, unreadable
from .perplexity import Check
from .prompt import question
from .registry import STAGES
from .tagger import Tagger, tag

VERSIONS = {card.name: card.version for card in STAGES["hallucination"]}
NAME, NOVEL_WORDS = "hallucination", "response_novel_words"


def grounded(
    events: Sequence[Event], tagger: Tagger, chosen: Collection[str], check: Check
) -> list[list[Score]]:
    """The chosen grounding scores of each event. `check` is called between pieces of work."""
    said = _tagged(events, tagger, check) if NAME in chosen else {}
    found = []
    for event in events:
        check()
        scores = _scores(event, said.get(event.id))
        found.append([score for score in scores if score.name in chosen])
    return found


def _tagged(events: Sequence[Event], tagger: Tagger, check: Check) -> dict[str, Pieces]:
    """What the tagger says of each answer that it can read, by event."""
    readable = [event for event in events if not unreadable(event.context, event.output)]
    answers = [(question(event), event.context, event.output) for event in readable]
    said = tag(tagger, answers, check)
    return {event.id: pieces for event, pieces in zip(readable, said, strict=True)}


def _scores(event: Event, pieces: Pieces | None) -> list[Score]:
    grounding = hallucination(question(event), event.context, event.output, pieces)
    return [
        Score(
            event.id,
            NAME,
            _finite(grounding.probability),
            explanation=grounding.reason,
            spans=list(grounding.sentences),
            metric_version=VERSIONS[NAME],
        ),
        Score(
            event.id,
            NOVEL_WORDS,
            _finite(grounding.novel_words),
            explanation=grounding.reason if grounding.novel_words is None else "",
            metric_version=VERSIONS[NOVEL_WORDS],
        ),
    ]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
