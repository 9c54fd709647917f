"""Sentence embeddings: unit vectors whose cosine says how alike two texts are in meaning.

Reimers & Gurevych 2019 (arXiv 1908.10084); the default model is all-MiniLM-L6-v2: 384 numbers, and
only the first 256 word pieces of a text count.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from .batches import halving
from .convert import go_offline
from .errors import ModelUnsuitable
from .models import ResolvedModel
from .text import well_formed

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = NDArray[np.float32]

BATCH_ROWS = {"cpu": 16, "cuda": 256}
CHARACTERS_PER_PIECE = 16  # a longer text is cut to this times the model's limit before tokenising


class Embedder:
    """Embeds texts with one model on one device."""

    def __init__(self, model: SentenceTransformer, label: str) -> None:
        self.label = label
        self._model = model
        self._rows = BATCH_ROWS.get(model.device.type, BATCH_ROWS["cpu"])
        self._characters = CHARACTERS_PER_PIECE * int(model.max_seq_length or 512)

    @classmethod
    def load(cls, model: ResolvedModel, device: str, label: str) -> Embedder:
        """Weights from `model.path`, offline, in float32; raises ModelUnsuitable."""
        go_offline()
        from sentence_transformers import SentenceTransformer

        if model.kind != "sentence-transformers":
            raise ModelUnsuitable(f"{model.ref} is no sentence-transformers model")
        weights = SentenceTransformer(str(model.path), device=device, local_files_only=True)
        return cls(weights.to(torch.float32), label)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32 [texts, dimensions]; a text that comes twice is computed once.

        The same text gives the same vector (to 1e-6) whatever it is batched with.
        """
        cut = [well_formed(text[: self._characters]) for text in texts]
        distinct = sorted(set(cut), key=lambda text: (-len(text), text))
        vectors = dict(zip(distinct, halving(self._encode, distinct), strict=True))
        return np.stack([vectors[text] for text in cut]) if cut else self._none()

    def _encode(self, texts: list[str]) -> list[NDArray[np.float32]]:
        if not texts:
            return []
        found: Vectors = self._model.encode(
            texts,
            batch_size=min(self._rows, len(texts)),
            show_progress_bar=False,
            convert_to_numpy=True,
            normalize_embeddings=True,
        )
        return list(found.astype(np.float32, copy=False))

    def _none(self) -> Vectors:
        return np.zeros((0, self._model.get_embedding_dimension() or 0), dtype=np.float32)


def encode_vector(vector: NDArray[np.float32]) -> str:
    """Base64 of the little-endian float32 numbers: how `records.Embedding` carries a vector."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")


def decode_vector(text: str) -> NDArray[np.float32]:
    """The vector that `encode_vector` wrote."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)
