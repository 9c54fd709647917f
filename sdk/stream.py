"""A model's stream, handed on to the app unchanged while it is written down.

The wrappers pass for what they wrap: every attribute is the stream's own, and `isinstance` says
so too. The span ends with the stream: at its end, on an error, when it is closed early, or when
the app just drops it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from .guard import swallow
from .reading import Chunks
from .span import Span


class Recording:
    """What a stream said so far, and the span that it belongs to."""

    def __init__(self, span: Span, chunks: Chunks) -> None:
        self._span = span
        self._chunks = chunks
        self._started = False
        self._last_us: int | None = None

    def add(self, chunk: object) -> None:
        """A chunk went by."""
        try:
            self._last_us = self._span.now_us()
            if self._chunks.add(chunk) and not self._started:
                self._started = True
                self._span.first_token()
        except Exception as error:
            swallow(error, "stream")

    def end(self, error: BaseException | None = None) -> None:
        """The stream came to its end, or broke."""
        if self._span.recording:
            self._fill()
            if error is not None:
                self._span.fail(error)
            self._span.end()

    def close(self) -> None:
        """The app stopped listening, after the last chunk it took."""
        if self._span.recording:
            self._fill()
            self._span.set(metadata={"closed_early": True})
            self._span.end(self._last_us)

    def _fill(self) -> None:
        try:
            self._span.set(**self._chunks.fields())
        except Exception as error:
            swallow(error, "stream")


class _Stream:
    """Passes for the wrapped stream."""

    def __init__(self, stream: Any, recording: Recording) -> None:
        self._dl_stream = stream
        self._dl_recording = recording

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._dl_stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dl_stream, name)

    def __del__(self) -> None:
        recording = self.__dict__.get("_dl_recording")
        if recording is not None:
            recording.close()


class SyncStream(_Stream):
    """Wraps an iterator of chunks."""

    def __init__(self, stream: Any, recording: Recording) -> None:
        super().__init__(stream, recording)
        self._dl_chunks = stream if hasattr(stream, "__next__") else iter(stream)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            chunk = next(self._dl_chunks)
        except StopIteration:
            self._dl_recording.end()
            raise
        except BaseException as error:
            self._dl_recording.end(error)
            raise
        self._dl_recording.add(chunk)
        return chunk

    def __enter__(self) -> Any:
        self._dl_stream.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        try:
            return self._dl_stream.__exit__(*error)
        finally:
            self._dl_recording.close()

    def close(self) -> None:
        """Close the stream; the rest of the answer is not wanted."""
        try:
            self._dl_stream.close()
        finally:
            self._dl_recording.close()


class AsyncStream(_Stream):
    """Wraps an asynchronous iterator of chunks."""

    def __init__(self, stream: Any, recording: Recording) -> None:
        super().__init__(stream, recording)
        self._dl_chunks = stream if hasattr(stream, "__anext__") else aiter(stream)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            chunk = await anext(self._dl_chunks)
        except StopAsyncIteration:
            self._dl_recording.end()
            raise
        except BaseException as error:
            self._dl_recording.end(error)
            raise
        self._dl_recording.add(chunk)
        return chunk

    async def __aenter__(self) -> Any:
        await self._dl_stream.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        try:
            return await self._dl_stream.__aexit__(*error)
        finally:
            self._dl_recording.close()

    async def close(self) -> None:
        """Close the stream; the rest of the answer is not wanted."""
        try:
            await self._dl_stream.close()
        finally:
            self._dl_recording.close()

    async def aclose(self) -> None:
        """Alias of `close`, as some clients name it."""
        await self.close()
