"""`wrap_anthropic(client)`: log every model call of an Anthropic client, streamed ones too.

The client's methods are wrapped in place, as `wrap_openai` does it. Nothing of the `anthropic`
package is imported: Bedrock's and Vertex's clients of that package have the same shape.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from . import anthropic_messages
from .guard import swallow, warn_once
from .span import Span
from .stream import AsyncStream, Recording, SyncStream
from .wrap import MARK, open_span, reach, wrap_copy, wrap_method

C = TypeVar("C")
READER = anthropic_messages.READER
SURFACES = (("messages",), ("beta", "messages"))
METHODS = ("create", "parse")
COPIES = ("with_options", "copy")


def wrap_anthropic(client: C) -> C:
    """Log the calls of `client` from now on; returns the same client. Twice is once.

    `messages.create`, `.parse` and `.stream`, also of `beta`, sync and async. `usage["input"]`
    includes the tokens that were read from and written to the cache.
    """
    try:
        provider = _provider(client)
        for path in SURFACES:
            owner = reach(client, path)
            for method in METHODS if owner is not None else ():
                wrap_method(owner, method, READER, provider)
            _wrap_stream(owner, provider)
        for method in COPIES:
            wrap_copy(client, method, wrap_anthropic)
    except Exception as error:
        swallow(error, "wrap_anthropic")
    return client


def _provider(client: object) -> str:
    """Who answers: anthropic, or the cloud whose client it is."""
    name = type(client).__name__.lower()
    clouds = ("bedrock", "vertex", "foundry")
    return next((f"anthropic-{cloud}" for cloud in clouds if cloud in name), "anthropic")


def _wrap_stream(owner: object, provider: str) -> None:
    """`messages.stream(...)`: the helper that is entered with `with` makes its request then."""
    original = getattr(owner, "stream", None)
    if not callable(original) or hasattr(original, MARK):
        return

    @functools.wraps(original)
    def stream(*args: Any, **kwargs: Any) -> Any:
        manager = original(*args, **kwargs)
        if hasattr(type(manager), "__aenter__"):
            return _AsyncManager(manager, kwargs, provider)
        return _Manager(manager, kwargs, provider)

    setattr(stream, MARK, True)
    setattr(owner, "stream", stream)  # noqa: B010  # mypy: owner is any object


class _Entered:
    """Passes for the helper's context manager. The span begins where it is entered."""

    def __init__(self, manager: Any, kwargs: dict[str, Any], provider: str) -> None:
        self._dl_manager = manager
        self._dl_kwargs = kwargs
        self._dl_provider = provider

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._dl_manager)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dl_manager, name)


class _Manager(_Entered):
    def __enter__(self) -> Any:
        span = open_span(READER, self._dl_provider, self._dl_kwargs)
        try:
            stream = self._dl_manager.__enter__()
        except BaseException as error:
            _failed(span, error)
            raise
        return _recorded(stream, span, SyncStream)

    def __exit__(self, *error: Any) -> Any:
        return self._dl_manager.__exit__(*error)


class _AsyncManager(_Entered):
    async def __aenter__(self) -> Any:
        span = open_span(READER, self._dl_provider, self._dl_kwargs)
        try:
            stream = await self._dl_manager.__aenter__()
        except BaseException as error:
            _failed(span, error)
            raise
        return _recorded(stream, span, AsyncStream)

    async def __aexit__(self, *error: Any) -> Any:
        return await self._dl_manager.__aexit__(*error)


def _recorded(stream: Any, span: Span, wrapper: Callable[[Any, Recording], object]) -> Any:
    """The helper's stream, with the events that it reads written down."""
    try:
        raw = inspect.getattr_static(stream, "_raw_stream", None)
        if not span.recording or raw is None:
            if raw is None:
                warn_once("messages.stream", "messages.stream is logged without its answer")
            span.end()
            return stream
        stream._raw_stream = wrapper(raw, Recording(span, READER.chunks()))
    except Exception as error:
        span.end()
        swallow(error, "messages.stream")
    return stream


def _failed(span: Span, error: BaseException) -> None:
    span.fail(error)
    span.end()
