"""Embeddings with the real model."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from driftline.metrics import models
from driftline.metrics.embeddings import Embedder, decode_vector, encode_vector
from driftline.metrics.errors import ModelUnsuitable
from driftline.metrics.models import ResolvedModel
from driftline.metrics.perplexity import PerplexityScorer

TEXTS = [
    "How do I reset my password?",
    "I forgot my password.",
    "Bananas are yellow.",
    "  ",
    "é" * 9,
]


@given(arrays.arrays(np.float32, st.integers(0, 50), elements=st.floats(width=32)))
def test_a_vector_survives_its_encoding(vector: np.ndarray) -> None:
    assert np.array_equal(decode_vector(encode_vector(vector)), vector, equal_nan=True)


def test_the_encoding_is_base64_of_little_endian_float32() -> None:
    assert encode_vector(np.array([1.0, -2.0], dtype=np.float32)) == "AACAPwAAAMA="


@pytest.mark.model
def test_vectors_are_unit_float32_of_384_numbers(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), 384) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


@pytest.mark.model
def test_texts_of_like_meaning_are_closer(embedder: Embedder) -> None:
    reset, forgot, bananas = embedder.embed(TEXTS[:3])
    assert reset @ forgot > 0.6 > 0.2 > reset @ bananas


@pytest.mark.model
def test_a_text_has_the_same_vector_whatever_it_is_batched_with(embedder: Embedder) -> None:
    mixed = [*TEXTS, "A much longer text. " * 30, *TEXTS[::-1]]
    together = embedder.embed(mixed)
    alone = np.concatenate([embedder.embed([text]) for text in mixed])
    assert np.abs(together - alone).max() < 1e-5


@pytest.mark.model
@pytest.mark.parametrize("budget_tokens", [1, 30, 100_000])
def test_vectors_are_those_of_sentence_transformers(embedder: Embedder, budget_tokens: int) -> None:
    texts = [*TEXTS, "A much longer text. " * 80, "Of middle length, say. " * 5]
    model = embedder._model
    plain = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    found = Embedder(model, "x", budget_tokens=budget_tokens).embed(texts)
    assert np.abs(found - plain).max() < 1e-5


@pytest.mark.model
def test_only_the_latest_texts_are_remembered(embedder: Embedder) -> None:
    small = Embedder(embedder._model, "x", known_vectors=2)
    first = small.embed(TEXTS)
    assert len(small._known) == 2
    assert np.array_equal(small.embed(TEXTS[-2:]), first[-2:])
    assert np.abs(small.embed(TEXTS) - first).max() < 1e-5


@pytest.mark.model
def test_the_work_can_be_stopped_between_batches(embedder: Embedder) -> None:
    class Enough(Exception):
        pass

    def check() -> None:
        raise Enough

    fresh = Embedder(embedder._model, "x")
    with pytest.raises(Enough):
        fresh.embed(TEXTS, check)
    assert not fresh._known


@pytest.mark.model
def test_equal_texts_have_identical_vectors(embedder: Embedder) -> None:
    one, other, again = embedder.embed([TEXTS[0], TEXTS[1], TEXTS[0]])
    assert np.array_equal(one, again) and not np.array_equal(one, other)


@pytest.mark.model
def test_no_texts_give_an_empty_matrix(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, 384)


@pytest.mark.model
def test_hostile_texts_are_embedded_without_an_error(embedder: Embedder) -> None:
    vectors = embedder.embed(["\ud800", "[CLS] [SEP]", "\x00", "x" * 1_000_000])
    assert np.isfinite(vectors).all()


@pytest.mark.model
def test_a_language_model_is_no_embedder_and_an_embedder_no_language_model(
    smollm2: ResolvedModel,
) -> None:
    with pytest.raises(ModelUnsuitable, match="sentence-transformers"):
        Embedder.load(smollm2, "cpu", "x")
    with pytest.raises(ModelUnsuitable, match="causal"):
        PerplexityScorer.load(models.resolve(models.MINILM), "cpu", torch.float32)
