"""All metrics of some events, stage by stage; an event that fails never takes others along."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from driftline.sdk.records import Embedding, Event, Score

from . import text
from .embeddings import Embedder, encode_vector
from .hallucination import hallucination
from .perplexity import Check, Nll, Pair, PerplexityScorer, unchecked
from .registry import METRIC_SET_VERSION

SCORED_KIND = "llm"
MAX_ERROR_CHARACTERS = 300

Found = list[Score | Embedding]
Stage = Callable[[Sequence[Event], Check], list[Found]]
T = TypeVar("T")


class StopScoring(Exception):
    """Raised by a `check`: the work is no longer wanted. It is nobody's failure."""


@dataclass(slots=True)
class Scored:
    """The results of some events: `failed` maps event id to the error in words.

    `reused` events have copied results (`memory.ScoreMemory`).
    """

    scores: list[Score] = field(default_factory=list)
    embeddings: list[Embedding] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    tokens: int = 0
    reused: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


class EventScorer:
    """Computes the whole metric set of events with two loaded models."""

    def __init__(
        self,
        perplexity: PerplexityScorer,
        embedder: Embedder,
        *,
        adjust: Callable[[], None] = unchecked,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._perplexity = perplexity
        self._embedder = embedder
        self._adjust = adjust
        self._clock = clock
        self.stages: dict[str, Stage] = {
            "text": self._text,
            "hallucination": self._hallucination,
            "embedding": self._embedding,
            "perplexity": self._nll,
        }

    def score(self, events: Sequence[Event], check: Check = unchecked) -> Scored:
        """Results of the `llm` events among `events`; other kinds have none.

        `check` is called between pieces of work and may raise StopScoring; so is `adjust`, which
        follows the machine (`cores.Cores`).
        """

        def between() -> None:
            self._adjust()
            check()

        scored = Scored()
        wanted = [event for event in events if event.kind == SCORED_KIND]
        for name, stage in self.stages.items():
            started = self._clock()
            self._add(name, stage, wanted, between, scored)
            scored.seconds[name] = self._clock() - started
        _drop_failed(scored)
        return scored

    def _add(
        self, name: str, stage: Stage, events: Sequence[Event], check: Check, scored: Scored
    ) -> None:
        """Run a stage on all events at once; where that fails, on each event alone."""
        check()
        left = [event for event in events if event.id not in scored.failed]
        try:
            found = stage(left, check)
        except StopScoring:
            raise
        except Exception as error:
            if len(left) > 1:
                for event in left:
                    self._add(name, stage, [event], check, scored)
            elif left:
                scored.failed[left[0].id] = f"{name}: {_words(error)}"
            return
        _sort_into(scored, [item for items in found for item in items])

    # ------------------------------------------------------------------ stages

    def _text(self, events: Sequence[Event], check: Check) -> list[Found]:
        return [_descriptors(event) for event in events]

    def _hallucination(self, events: Sequence[Event], check: Check) -> list[Found]:
        found = []
        for event in events:
            check()
            found.append(_grounding(event))
        return found

    def _embedding(self, events: Sequence[Event], check: Check) -> list[Found]:
        fields = [
            (event.id, name, body)
            for event in events
            for name, body in (("prompt", prompt_text(event)), ("response", event.output))
            if body.strip()
        ]
        vectors = self._embedder.embed([body for _, _, body in fields])
        label = self._embedder.label
        made = [
            Embedding(event_id, name, label, encode_vector(vector))
            for (event_id, name, _), vector in zip(fields, vectors, strict=True)
        ]
        return [list(made)]

    def _nll(self, events: Sequence[Event], check: Check) -> list[Found]:
        pairs = [Pair(prompt_text(event), event.output) for event in events]
        nlls = self._perplexity.score(pairs, check)
        label = self._perplexity.label
        return [
            [
                *_likelihood(event, "prompt", nll.prompt, label),
                *_likelihood(event, "response", nll.response, label),
            ]
            for event, nll in zip(events, nlls, strict=True)
        ]


def prompt_text(event: Event) -> str:
    """The messages' contents without roles, a line end between them, and no retrieved context."""
    return "\n".join(message.content for message in event.input)


def question(event: Event) -> str:
    """What the user asked last; the whole prompt when no message is a user's."""
    asked = [message.content for message in event.input if message.role == "user"]
    return asked[-1] if asked else prompt_text(event)


# ------------------------------------------------------------------ rows of results


def _descriptors(event: Event) -> Found:
    found: Found = [_score(event, "prompt_length", text.length(prompt_text(event)))]
    if event.status == "error" and not event.output:
        return [
            *found,
            *(_none(event, f"response_{name}", "no response") for name in text.DESCRIPTORS),
        ]
    for name, describe in text.DESCRIPTORS.items():
        value = describe(event.output)
        found.append(
            _score(event, f"response_{name}", value, "" if value is not None else "too little text")
        )
    return found


def _grounding(event: Event) -> Found:
    grounding = hallucination(question(event), event.context, event.output)
    return [
        Score(
            event.id,
            "hallucination",
            _finite(grounding.probability),
            explanation=grounding.reason,
            spans=list(grounding.sentences),
            metric_version=METRIC_SET_VERSION,
        ),
        _score(
            event,
            "response_novel_words",
            grounding.novel_words,
            grounding.reason if grounding.novel_words is None else "",
        ),
    ]


def _likelihood(event: Event, side: str, nll: Nll, model: str) -> Found:
    """Perplexity and bits per byte of one side, with the sums that aggregate them."""
    stats = {
        "nll_sum": nll.nll_sum,
        "n_tokens": float(nll.n_tokens),
        "n_bytes": float(nll.n_bytes),
    }
    if not nll.n_tokens or not math.isfinite(nll.nll_sum):
        reason = "the scorer gave no finite number" if nll.n_tokens else f"no {side}"
        names = (f"{side}_perplexity", f"{side}_bits_per_byte")
        return [_none(event, name, reason) for name in names]
    values = {"perplexity": nll.perplexity, "bits_per_byte": nll.bits_per_byte}
    return [
        Score(
            event.id,
            f"{side}_{name}",
            value,
            stats=stats,
            metric_version=METRIC_SET_VERSION,
            model=model,
        )
        for name, value in values.items()
    ]


def _score(event: Event, name: str, value: float | None, explanation: str = "") -> Score:
    return Score(
        event.id,
        name,
        _finite(value),
        explanation=explanation,
        metric_version=METRIC_SET_VERSION,
    )


def _none(event: Event, name: str, explanation: str) -> Score:
    return _score(event, name, None, explanation)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _sort_into(scored: Scored, found: Sequence[Score | Embedding]) -> None:
    for item in found:
        if isinstance(item, Embedding):
            scored.embeddings.append(item)
        else:
            scored.scores.append(item)
            if item.name.endswith("_perplexity"):
                scored.tokens += int(item.stats.get("n_tokens", 0))


def _drop_failed(scored: Scored) -> None:
    """An event is scored whole or not at all."""
    scored.scores = [s for s in scored.scores if s.event_id not in scored.failed]
    scored.embeddings = [e for e in scored.embeddings if e.event_id not in scored.failed]


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:MAX_ERROR_CHARACTERS]
