"""What the events that an integration makes have in common: `with driftline.using(...):`.

A library's call has no place for a session, a prompt's version or the retrieved passages. They are
set around it, and every model call, chain, tool or retrieval that an integration logs inside
carries them; in threads too, where these copy the context (`propagate`).
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from typing import Unpack

    from .fields import NamedFields

P = ParamSpec("P")
R = TypeVar("R")
LLM_ONLY = ("context", "prompt_name", "prompt_version")  # they say what a model was asked
_fields: ContextVar[NamedFields | None] = ContextVar("driftline_using", default=None)


@contextlib.contextmanager
def using(**fields: Unpack[NamedFields]) -> Iterator[None]:
    """Give these fields to each event that an integration logs inside.

    Inner values win over outer ones; `tags` and `metadata` add up. `context`, `prompt_name` and
    `prompt_version` are given to model calls only.
    """
    outer = _fields.get()
    token = _fields.set(merged(outer or {}, fields))
    try:
        yield
    finally:
        try:
            _fields.reset(token)
        except ValueError:  # a generator that was closed in another context than it began in
            _fields.set(outer)


def merged(outer: NamedFields, inner: NamedFields) -> NamedFields:
    """Both; the inner values win, tags and metadata add up."""
    both: NamedFields = {**outer, **{k: v for k, v in inner.items() if v is not None}}  # type: ignore[typeddict-item]
    if outer.get("tags") and inner.get("tags"):
        both["tags"] = [*_several(outer["tags"]), *_several(inner["tags"])]
    if outer.get("metadata") and inner.get("metadata"):
        both["metadata"] = {**(outer["metadata"] or {}), **(inner["metadata"] or {})}
    return both


def used(kind: str) -> NamedFields:
    """The fields in use here, those that an event of that kind may have."""
    fields = _fields.get()
    if not fields or kind == "llm":
        return fields or {}
    return {k: v for k, v in fields.items() if k not in LLM_ONLY}  # type: ignore[return-value]


def propagate(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, to be run in another thread as if here: `pool.submit(propagate(work), item)`.

    Its spans become children of the span that is current now. It may run many times and at once.
    """
    context = contextvars.copy_context()

    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return context.copy().run(function, *args, **kwargs)

    return run


def _several(tags: object) -> list[str]:
    return [tags] if isinstance(tags, str) else list(tags)  # type: ignore[call-overload]
