"""Embeddings and relevances of events, with the real embedder."""

import dataclasses

import numpy as np
import pytest

from driftline.metrics.embeddings import Embedder, Vectors, decode_vector
from driftline.metrics.lanes import unchecked
from driftline.metrics.registry import STAGES
from driftline.metrics.relevance import MAX_DOCUMENTS, embedded, mean_direction
from driftline.sdk.records import Embedding, Event, Message, Score

EVERYTHING = frozenset(card.name for card in STAGES["embedding"])
TOWER = "The Eiffel Tower is 330 metres tall. It stands in Paris."
EVENT = Event(
    id="tower", trace_id="", span_id="", parent_id="", project="p", kind="llm", name="",
    start_time="2026-11-21T00:00:00Z", end_time="", latency_ms=1.0, time_to_first_token_ms=None,
    model="m", provider="", variant="", prompt_name="", prompt_version="", environment="default",
    release="", session_id="", user_id="", status="ok", error="",
    input=[Message("system", "Be brief."), Message("user", "How tall is the Eiffel Tower?")],
    output="It is 330 metres tall.", context=[TOWER, "Bananas are yellow."],
    token_logprobs=[], usage={}, cost=None, tags=[], metadata={}, sample_weight=1.0, truncated={},
    ingested_at="2026-11-21T00:00:00Z",
)  # fmt: skip
BARE = dataclasses.replace(EVENT, id="bare", output="", context=["", "  "])


class Counting(Embedder):
    """The real embedder, which remembers what it had to compute."""

    def __init__(self, embedder: Embedder) -> None:
        super().__init__(embedder._model, embedder.label)
        self.computed: list[str] = []

    def _compute(self, texts: list[str], check: object) -> list[np.ndarray]:
        self.computed += texts
        return super()._compute(texts, unchecked)


def run(
    embedder: Embedder, event: Event, chosen: frozenset[str] = EVERYTHING
) -> dict[str, Score | Vectors]:
    (found,) = embedded([event], embedder, chosen, unchecked)
    return {
        item.field if isinstance(item, Embedding) else item.name: (
            decode_vector(item.vector) if isinstance(item, Embedding) else item
        )
        for item in found
    }


@pytest.mark.model
def test_the_context_is_the_mean_direction_of_its_documents(embedder: Embedder) -> None:
    found = run(embedder, EVENT)
    one, other = embedder.embed(EVENT.context)
    assert found["context"] == pytest.approx(mean_direction([one, other]), abs=1e-6)
    assert np.linalg.norm(found["context"]) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.model
def test_relevance_is_the_cosine_with_the_question_and_the_best_document_counts(
    embedder: Embedder,
) -> None:
    found = run(embedder, EVENT)
    question, answer, tower, _ = embedder.embed(
        [EVENT.input[1].content, EVENT.output, *EVENT.context]
    )
    assert found["response_relevance"].value == pytest.approx(float(question @ answer), abs=1e-5)
    assert found["context_relevance"].value == pytest.approx(float(question @ tower), abs=1e-5)
    assert found["context_relevance"].model == embedder.label


@pytest.mark.model
def test_a_document_that_came_before_is_not_computed_again(embedder: Embedder) -> None:
    counting = Counting(embedder)
    again = dataclasses.replace(EVENT, id="again", output="About 330 m.", context=[TOWER] * 3)
    embedded([EVENT, again], counting, EVERYTHING, unchecked)
    embedded([dataclasses.replace(again, id="third")], counting, EVERYTHING, unchecked)
    assert counting.computed.count(TOWER) == 1
    assert len(counting.computed) == len(set(counting.computed))


@pytest.mark.model
def test_what_is_missing_is_none_with_the_reason_and_has_no_vector(embedder: Embedder) -> None:
    found = run(embedder, BARE)
    assert set(found) == {"prompt", "response_relevance", "context_relevance"}
    for name, reason in (
        ("response_relevance", "no response"),
        ("context_relevance", "no context"),
    ):
        assert (found[name].value, found[name].explanation) == (None, reason)
    unasked = run(embedder, dataclasses.replace(EVENT, input=[]))
    assert unasked["context_relevance"].explanation == "no prompt"


@pytest.mark.model
@pytest.mark.parametrize("name", sorted(EVERYTHING))
def test_only_what_is_chosen_is_computed(embedder: Embedder, name: str) -> None:
    counting = Counting(embedder)
    found = run(counting, EVENT, frozenset({name}))
    assert set(found) == {name.removesuffix("_embedding")}
    assert (TOWER in counting.computed) == name.startswith("context")


@pytest.mark.model
def test_the_number_of_documents_is_bounded(embedder: Embedder) -> None:
    counting = Counting(embedder)
    many = dataclasses.replace(EVENT, context=[f"{n}" for n in range(MAX_DOCUMENTS + 5)])
    embedded([many], counting, frozenset({"context_embedding"}), unchecked)
    assert len(counting.computed) == MAX_DOCUMENTS


def test_opposite_vectors_have_no_mean_direction() -> None:
    vector = np.array([0.6, 0.8], dtype=np.float32)
    assert mean_direction([vector, -vector]) is None
    assert mean_direction([]) is None
