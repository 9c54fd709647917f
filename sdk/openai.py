"""`wrap_openai(client)`: log every model call of an OpenAI client, streamed ones too.

The client's methods are wrapped in place; arguments, results, errors and types stay what they are.
Nothing of the `openai` package is imported: any client with `chat.completions.create` or
`responses.create` will do, sync or async.
"""

from __future__ import annotations

import functools
import inspect
import urllib.parse
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from . import openai_chat, openai_responses
from .ambient import client as ambient_client
from .guard import swallow
from .openai_fields import Reader
from .openai_stream import AsyncStream, Recording, SyncStream
from .span import Span

C = TypeVar("C")
MARK = "__driftline__"
RAW_HEADER = "x-stainless-raw-response"
SURFACES = (
    (("chat", "completions"), openai_chat.READER),
    (("responses",), openai_responses.READER),
)
METHODS = ("create", "parse")
COPIES = ("with_options", "copy")


def wrap_openai(client: C) -> C:
    """Log the calls of `client` from now on; returns the same client. Twice is once.

    Copies made by `client.with_options(...)` are wrapped too. Token usage of a stream is known
    only when the app asks for it (`stream_options={"include_usage": True}`).
    """
    try:
        provider = _provider(client)
        for path, reader in SURFACES:
            owner = _reach(client, path)
            for method in METHODS if owner is not None else ():
                _wrap_method(owner, method, reader, provider)
        for method in COPIES:
            _wrap_copy(client, method)
    except Exception as error:
        swallow(error, "wrap_openai")
    return client


def _reach(client: object, path: tuple[str, ...]) -> object | None:
    for name in path:
        client = getattr(client, name, None)
    return client


def _provider(client: object) -> str:
    """Who answers: openai, azure, or the host of the base URL."""
    host = urllib.parse.urlsplit(str(getattr(client, "base_url", ""))).netloc
    if "azure" in type(client).__name__.lower() or "azure" in host:
        return "azure"
    return "openai" if not host or host.endswith("openai.com") else host


def _wrap_method(owner: object, method: str, reader: Reader, provider: str) -> None:
    original = getattr(owner, method, None)
    if not callable(original) or hasattr(original, MARK):
        return
    call = _Call(original, reader, provider)
    asynchronous = inspect.iscoroutinefunction(inspect.unwrap(original))
    wrapped = call.asynchronous() if asynchronous else call.synchronous()
    setattr(wrapped, MARK, True)
    setattr(owner, method, wrapped)


def _wrap_copy(client: object, method: str) -> None:
    original = getattr(client, method, None)
    if not callable(original) or hasattr(original, MARK):
        return

    @functools.wraps(original)
    def copy(*args: Any, **kwargs: Any) -> Any:
        return wrap_openai(original(*args, **kwargs))

    setattr(copy, MARK, True)
    setattr(client, method, copy)


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
            span = self._open(kwargs)
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
            return await self._later(self._open(kwargs), original(*args, **kwargs), kwargs)

        return create

    async def _later(self, span: Span, result: Awaitable[Any], kwargs: dict[str, Any]) -> Any:
        try:
            value = await result
        except BaseException as error:
            _failed(span, error)
            raise
        return self._read(span, value, kwargs)

    def _open(self, kwargs: dict[str, Any]) -> Span:
        span = ambient_client().span(self._reader.operation, kind="llm", provider=self._provider)
        try:
            if span.recording:
                span.set(**self._reader.request(kwargs))
        except Exception as error:
            swallow(error, "wrap_openai")
        return span

    def _read(self, span: Span, result: Any, kwargs: dict[str, Any]) -> Any:
        try:
            if kwargs.get("stream") is True and not _raw(kwargs):
                return self._stream(span, result)
            if span.recording and (answer := _parsed(result, kwargs)) is not None:
                span.set(**self._reader.answer(answer))
        except Exception as error:
            span.end()
            swallow(error, "wrap_openai")
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
    """How `with_raw_response` ("true") and `with_streaming_response` ("stream") mark a call."""
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
    if raw == "true" and kwargs.get("stream") is not True:
        return cast(object, result.parse())
    return None
