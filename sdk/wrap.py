"""Wrapping a client's methods in place: each call is a span; the result is read into it.

Arguments, results, errors and types stay what they are. A library whose shape has changed is
logged with the fields that are still found, and said so once.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, cast

from .ambient import client as ambient_client
from .guard import strict, warn_once
from .reading import Reader
from .span import Span
from .stream import AsyncStream, Recording, SyncStream
from .using import used

MARK = "__driftline__"
RAW_HEADER = "x-stainless-raw-response"
RAW_READ = ("true", "raw")  # what `with_raw_response` of openai and anthropic puts there


def reach(client: object, path: tuple[str, ...]) -> object | None:
    """`client.a.b`; None where it has no such part."""
    for name in path:
        client = getattr(client, name, None)
    return client


def wrap_method(owner: object, method: str, reader: Reader, provider: str) -> None:
    """Log the calls of `owner.method` from now on. Twice is once."""
    original = getattr(owner, method, None)
    if not callable(original) or hasattr(original, MARK):
        return
    call = _Call(original, reader, provider)
    asynchronous = inspect.iscoroutinefunction(inspect.unwrap(original))
    wrapped = call.asynchronous() if asynchronous else call.synchronous()
    setattr(wrapped, MARK, True)
    setattr(owner, method, wrapped)


def wrap_copy(client: object, method: str, wrap: Callable[[Any], Any]) -> None:
    """Wrap the clients that `client.method(...)` makes, too."""
    original = getattr(client, method, None)
    if not callable(original) or hasattr(original, MARK):
        return

    @functools.wraps(original)
    def copy(*args: Any, **kwargs: Any) -> Any:
        return wrap(original(*args, **kwargs))

    setattr(copy, MARK, True)
    setattr(client, method, copy)


def open_span(reader: Reader, provider: str, kwargs: dict[str, Any]) -> Span:
    """The span of a call that begins now."""
    span = ambient_client().span(reader.operation, kind=reader.kind, provider=provider)
    try:
        if span.recording:
            fields = reader.request(kwargs)
            if "user_id" in span.active.inherited:  # the app's own id, not the one it gives away
                fields.pop("user_id", None)
            span.set(**fields)
            span.set(**used(reader.kind))
    except Exception as error:
        changed(error, reader)
    return span


def changed(error: Exception, reader: Reader) -> None:
    """The library is not as we know it: fewer fields are logged. Raises under test."""
    if strict():
        raise error
    kind, name = type(error).__name__, reader.operation
    warn_once(name, f"{name} calls lack fields, the library's shape is unknown here ({kind})")


class _Call:
    """One wrapped method: opens a span, calls, and reads the result into it."""

    def __init__(self, original: Callable[..., Any], reader: Reader, provider: str) -> None:
        self._original = original
        self._reader = reader
        self._provider = provider

    def synchronous(self) -> Callable[..., Any]:
        original = self._original

        @functools.wraps(original)
        def create(*args: Any, **kwargs: Any) -> Any:
            span = open_span(self._reader, self._provider, kwargs)
            try:
                result = original(*args, **kwargs)
            except BaseException as error:
                _failed(span, error)
                raise
            if inspect.isawaitable(result):
                return self._later(span, result, kwargs)
            return self._read(span, result, kwargs)

        return create

    def asynchronous(self) -> Callable[..., Any]:
        original = self._original

        @functools.wraps(original)
        async def create(*args: Any, **kwargs: Any) -> Any:
            return await self._later(
                open_span(self._reader, self._provider, kwargs), original(*args, **kwargs), kwargs
            )

        return create

    async def _later(self, span: Span, result: Awaitable[Any], kwargs: dict[str, Any]) -> Any:
        try:
            value = await result
        except BaseException as error:
            _failed(span, error)
            raise
        raw = _raw(kwargs) in RAW_READ and kwargs.get("stream") is not True
        if raw and inspect.iscoroutinefunction(getattr(value, "parse", None)):
            return await self._read_raw(span, value)
        return self._read(span, value, kwargs)

    async def _read_raw(self, span: Span, result: Any) -> Any:
        """A raw response that is parsed asynchronously; its body is there already."""
        try:
            if span.recording:
                span.set(**self._reader.answer(await result.parse()))
        except Exception as error:
            span.end()
            changed(error, self._reader)
        span.end()
        return result

    def _read(self, span: Span, result: Any, kwargs: dict[str, Any]) -> Any:
        try:
            if kwargs.get("stream") is True and not _raw(kwargs):
                return self._stream(span, result)
            if span.recording and (answer := _parsed(result, kwargs)) is not None:
                span.set(**self._reader.answer(answer))
        except Exception as error:
            span.end()
            changed(error, self._reader)
        span.end()
        return result

    def _stream(self, span: Span, result: Any) -> Any:
        if not span.recording:
            span.end()
            return result
        recording = Recording(span, self._reader.chunks())
        asynchronous = hasattr(result, "__aiter__")
        return AsyncStream(result, recording) if asynchronous else SyncStream(result, recording)


def _failed(span: Span, error: BaseException) -> None:
    span.fail(error)
    span.end()


def _raw(kwargs: dict[str, Any]) -> str:
    """How `with_raw_response` (RAW_READ) and `with_streaming_response` ("stream") mark a call."""
    headers = kwargs.get("extra_headers")
    for name, value in headers.items() if isinstance(headers, dict) else ():
        if str(name).lower() == RAW_HEADER:
            return str(value)
    return ""


def _parsed(result: Any, kwargs: dict[str, Any]) -> object | None:
    """The answer inside a raw response. One that the app has yet to read is left alone."""
    raw = _raw(kwargs)
    if not raw:
        return cast(object, result)
    if raw in RAW_READ and kwargs.get("stream") is not True:
        return cast(object, result.parse())
    return None
