"""Reading embedding calls: the texts, not the vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .fields import Kind, NamedFields
from .reading import Chunks, counts, get, given, parameters

PARAMETERS = ("dimensions", "encoding_format")


class EmbeddingsReader:
    """`embeddings.create`."""

    operation = "embeddings"
    kind: Kind = "embedding"

    def request(self, kwargs: Mapping[str, Any]) -> NamedFields:
        model = given(kwargs, "model")
        texts = given(kwargs, "input")
        return {
            "name": f"embeddings {model}",
            "model": model,
            "input": texts if _is_text(texts) else None,
            "metadata": parameters(kwargs, PARAMETERS),
        }

    def answer(self, result: object) -> NamedFields:
        return {
            "model": get(result, "model"),
            "usage": counts(input=get(result, "usage", "prompt_tokens")),
            "metadata": {"vectors": len(get(result, "data") or ())},
        }

    def chunks(self) -> Chunks:
        raise NotImplementedError("embeddings are not streamed")


def _is_text(value: object) -> bool:
    """A text or texts; token ids say nothing to a reader."""
    if isinstance(value, str):
        return True
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


READER = EmbeddingsReader()
