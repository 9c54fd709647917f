"""Reading what a library of a model provider is asked and answers: objects, or mappings alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .fields import Kind, NamedFields

ABSENT_TYPES = frozenset(("NotGiven", "Omit"))


class Chunks(Protocol):
    """The answer of a stream, as far as it has come."""

    def add(self, chunk: object) -> bool:
        """Take a chunk; whether it carried a part of the answer."""

    def fields(self) -> NamedFields:
        """The event's fields so far."""


class Reader(Protocol):
    """How to read one surface of the API."""

    @property
    def operation(self) -> str:
        """The span's name until the model is known."""

    @property
    def kind(self) -> Kind:
        """The events' kind."""

    def request(self, kwargs: Mapping[str, Any]) -> NamedFields:
        """The event's fields from the arguments of the call."""

    def answer(self, result: object) -> NamedFields:
        """The event's fields from the finished answer."""

    def chunks(self) -> Chunks:
        """A collector of streamed chunks."""


def get(value: object, *path: str) -> Any:
    """`value.a.b` or `value["a"]["b"]`; None where something is missing."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    return value


def given(kwargs: Mapping[str, Any], name: str) -> Any:
    """An argument; None when it was left out (OpenAI's markers for that included)."""
    value = kwargs.get(name)
    return None if type(value).__name__ in ABSENT_TYPES else value


def parameters(kwargs: Mapping[str, Any], names: Sequence[str]) -> dict[str, object]:
    """The request's parameters of those names, for the event's metadata."""
    values = {name: given(kwargs, name) for name in names}
    return {
        name: value.__name__ if isinstance(value, type) else value
        for name, value in values.items()
        if value is not None
    }


def counts(**tokens: object) -> dict[str, int]:
    """Token counts, those that are known."""
    return {name: n for name, n in tokens.items() if isinstance(n, int) and n >= 0}
