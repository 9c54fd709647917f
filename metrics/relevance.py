"""What the vectors of an event say: embeddings to store, and how near its texts are to each other.

Relevance is the cosine of two vectors: whether an answer, or a retrieved document, is about what
was asked. It does not say whether either is true: on RAGTruth the cosine of answer and context
tells hallucinated answers from others hardly better than a coin (AUROC .54), so no hallucination
score uses it.

An event may carry many documents, and the same documents come with many events: each is embedded
once (`Embedder` remembers them), and what is stored is one vector an event, the mean direction of
its documents. One row an event keeps drift of the retrieved content as cheap as that of the prompt.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftline.sdk.records import Embedding, Event, Score

from .embeddings import Embedder, encode_vector
from .lanes import Check
from .prompt import prompt_text, question
from .registry import RELEVANCE

MAX_DOCUMENTS = 16  # of one event; more are left out: the first are the ones retrieved as best

RELEVANCES = tuple(card.name for card in RELEVANCE)
VERSIONS = {card.name: card.version for card in RELEVANCE}
Vector = NDArray[np.float32]


class _Texts(NamedTuple):
    """The texts of one event that the chosen metrics need; "" or none where there is no text."""

    prompt: str
    question: str
    response: str
    documents: list[str]


def embedded(
    events: Sequence[Event], embedder: Embedder, chosen: Collection[str], check: Check
) -> list[list[Score | Embedding]]:
    """Embeddings and relevances of each event, as far as they are `chosen`; one pass for all."""
    texts = [_texts(event, chosen) for event in events]
    distinct = list(dict.fromkeys(text for part in texts for text in _all(part)))
    vectors = dict(zip(distinct, embedder.embed(distinct, check), strict=True))
    return [
        [
            *_embeddings(event, part, vectors, embedder.label, chosen),
            *_relevances(event, part, vectors, embedder.label, chosen),
        ]
        for event, part in zip(events, texts, strict=True)
    ]


def _texts(event: Event, chosen: Collection[str]) -> _Texts:
    relevant = not set(RELEVANCES).isdisjoint(chosen)
    documents = [text for text in event.context[:MAX_DOCUMENTS] if text.strip()]
    with_documents = "context_embedding" in chosen or "context_relevance" in chosen
    answer = "response_embedding" in chosen or "response_relevance" in chosen
    return _Texts(
        _text(prompt_text(event) if "prompt_embedding" in chosen else ""),
        _text(question(event) if relevant else ""),
        _text(event.output if answer else ""),
        documents if with_documents else [],
    )


def _text(text: str) -> str:
    return text if text.strip() else ""


def _all(texts: _Texts) -> Iterator[str]:
    yield from (text for text in texts[:3] if text)
    yield from texts.documents


def _embeddings(
    event: Event,
    texts: _Texts,
    vectors: dict[str, Vector],
    label: str,
    chosen: Collection[str],
) -> list[Embedding]:
    found = {
        "prompt": vectors.get(texts.prompt),
        "response": vectors.get(texts.response),
        "context": mean_direction([vectors[text] for text in texts.documents]),
    }
    return [
        Embedding(event.id, field, label, encode_vector(vector))
        for field, vector in found.items()
        if vector is not None and f"{field}_embedding" in chosen
    ]


def mean_direction(vectors: Sequence[Vector]) -> Vector | None:
    """The unit vector of the mean of unit vectors; None of none, or where they cancel out."""
    if not vectors:
        return None
    mean = np.mean(np.stack(vectors), axis=0)
    length = float(np.linalg.norm(mean))
    return (mean / length).astype(np.float32) if length > 1e-6 else None


def _relevances(
    event: Event,
    texts: _Texts,
    vectors: dict[str, Vector],
    label: str,
    chosen: Collection[str],
) -> list[Score]:
    asked = vectors.get(texts.question)
    answered = vectors.get(texts.response)
    documents = [vectors[text] for text in texts.documents]
    found = {
        "response_relevance": (
            _nearest(asked, [answered] if answered is not None else []),
            "no response",
        ),
        "context_relevance": (_nearest(asked, documents), "no context"),
    }
    return [
        Score(
            event.id,
            name,
            value,
            explanation="" if value is not None else ("no prompt" if asked is None else reason),
            metric_version=VERSIONS[name],
            model=label if value is not None else "",
        )
        for name, (value, reason) in found.items()
        if name in chosen
    ]


def _nearest(asked: Vector | None, others: Sequence[Vector]) -> float | None:
    """The largest cosine with any of the others."""
    if asked is None or not others:
        return None
    return float(np.clip(np.max(np.stack(others) @ asked), -1.0, 1.0))
