"""Sentence embeddings: unit vectors whose cosine says how alike two texts are in meaning.

Reimers & Gurevych 2019 (arXiv 1908.10084); the default model is all-MiniLM-L6-v2: 384 numbers, and
only the first 256 word pieces of a text count.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from .batches import Budget, by_length
from .convert import go_offline
from .errors import ModelUnsuitable
from .lanes import Check, side_by_side, unchecked
from .models import ResolvedModel
from .text import well_formed

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = NDArray[np.float32]
Features = Mapping[str, Any]

BUDGET_TOKENS = {"cpu": 512, "cuda": 65536}  # of one padded batch; small ones share cores evenly
TOKENISED_TEXTS = 512  # at a time
CHARACTERS_PER_PIECE = 16  # a longer text is cut to this times the model's limit before tokenising
KNOWN_VECTORS = 20_000  # of 384 numbers: 31 MB


class Embedder:
    """Embeds texts with one model on one device; remembers the latest texts' vectors."""

    def __init__(
        self,
        model: SentenceTransformer,
        label: str,
        *,
        known_vectors: int = KNOWN_VECTORS,
        budget_tokens: int = 0,
    ) -> None:
        """`budget_tokens` bounds a padded batch; 0 is the device's default."""
        kind = model.device.type
        self.label = label
        self._model: Any = model
        self._prompt = model.prompts.get(model.default_prompt_name or "")
        self._budget = Budget(budget_tokens or BUDGET_TOKENS.get(kind, BUDGET_TOKENS["cpu"]))
        self._characters = CHARACTERS_PER_PIECE * int(model.max_seq_length or 512)
        self._known: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()
        self._most_known = known_vectors

    @classmethod
    def load(cls, model: ResolvedModel, device: str, label: str) -> Embedder:
        """Weights from `model.path`, offline, in float32; raises ModelUnsuitable."""
        go_offline()
        from sentence_transformers import SentenceTransformer

        if model.kind != "sentence-transformers":
            raise ModelUnsuitable(f"{model.ref} is no sentence-transformers model")
        weights = SentenceTransformer(str(model.path), device=device, local_files_only=True)
        return cls(weights.to(torch.float32).eval(), label)

    def embed(self, texts: Sequence[str], check: Check = unchecked) -> Vectors:
        """Unit vectors, float32 [texts, dimensions]; a text that came before is not computed again.

        The same text gives the same vector (to 1e-6) whatever it is batched with. `check` is called
        before each pass and may raise to stop the work.
        """
        cut = [well_formed(text[: self._characters]) for text in texts]
        if not cut:
            return np.zeros((0, self._model.get_embedding_dimension() or 0), dtype=np.float32)
        keys = [_content_hash(text) for text in cut]
        new = {key: text for key, text in zip(keys, cut, strict=True) if key not in self._known}
        fresh = dict(zip(new, self._compute(list(new.values()), check), strict=True))
        found = np.stack([fresh[key] if key in fresh else self._known[key] for key in keys])
        self._remember(keys, fresh)
        return found

    def _remember(self, keys: list[bytes], fresh: dict[bytes, NDArray[np.float32]]) -> None:
        self._known |= fresh
        for key in keys:
            self._known.move_to_end(key)
        while len(self._known) > self._most_known:
            self._known.popitem(last=False)

    def _compute(self, texts: list[str], check: Check) -> list[NDArray[np.float32]]:
        found: list[NDArray[np.float32]] = []
        for start in range(0, len(texts), TOKENISED_TEXTS):
            found += self._tokenised(texts[start : start + TOKENISED_TEXTS], check)
        return found

    def _tokenised(self, texts: list[str], check: Check) -> list[NDArray[np.float32]]:
        """Vectors of texts that are tokenised together; only rows of like length share a pass."""
        features: Features = self._model.preprocess(texts, prompt=self._prompt)
        lengths: list[int] = features["attention_mask"].sum(dim=1).tolist()
        batches = by_length(lengths, self._budget.now)
        width = torch.get_num_threads if self._model.device.type == "cpu" else lambda: 1
        done = side_by_side(
            lambda batch: self._budget.halving(partial(self._pass, features, lengths), batch),
            batches,
            check,
            width,
        )
        rows = itertools.chain.from_iterable(batches)
        vectors = dict(zip(rows, itertools.chain.from_iterable(done), strict=True))
        return [vectors[index] for index in range(len(texts))]

    @torch.inference_mode()
    def _pass(
        self, features: Features, lengths: list[int], rows: list[int]
    ) -> list[NDArray[np.float32]]:
        longest = max(lengths[row] for row in rows)
        side = self._model.tokenizer.padding_side
        part = {name: _cut(value, rows, longest, side) for name, value in features.items()}
        moved = {
            n: v.to(self._model.device) if isinstance(v, Tensor) else v for n, v in part.items()
        }
        vectors = self._model(moved)["sentence_embedding"]
        return list(functional.normalize(vectors.float(), dim=1).cpu().numpy())


def _cut(value: object, rows: list[int], longest: int, side: str) -> object:
    """The rows of a batch of tokens without the columns that are padding in all of them."""
    if not isinstance(value, Tensor) or value.ndim != 2:
        return value
    chosen = value[rows]
    return chosen[:, -longest:] if side == "left" else chosen[:, :longest]


def _content_hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def encode_vector(vector: NDArray[np.float32]) -> str:
    """Base64 of the little-endian float32 numbers: how `records.Embedding` carries a vector."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")


def decode_vector(text: str) -> NDArray[np.float32]:
    """The vector that `encode_vector` wrote."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)
