"""Reading a request's body without letting it fill the memory."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import zstandard
from anyio import CapacityLimiter, to_thread
from starlette.requests import ClientDisconnect, Request

from .errors import Overloaded
from .problem import Problem

GZIP_WINDOW = 31  # zlib: 15 bits of window and a gzip header
MAX_ZSTD_WINDOW_BYTES = 2**27
ZSTD_STEP_BYTES = 1024
DECODERS = 2  # more threads only fight for the interpreter, and each may hold 32 MiB of plain body
P = ParamSpec("P")
T = TypeVar("T")


class Budget:
    """Bytes that all bodies being read may hold together. Used in the event loop only."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._decoders = CapacityLimiter(DECODERS)
        self._decoding = 0

    def busy(self) -> bool:
        """Whether bodies are being decoded, or wait for it. Any thread may ask."""
        return self._decoding > 0

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Hold `size` bytes during the block. Raises Overloaded when there are not enough."""
        if size > self._left:
            raise Overloaded("too many large requests at once; try again")
        self._left -= size
        try:
            yield
        finally:
            self._left += size

    async def decoding(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do `work` in a thread, at most `DECODERS` at once; requests take turns."""
        self._decoding += 1
        try:
            return await to_thread.run_sync(lambda: work(*args, **kwargs), limiter=self._decoders)
        finally:
            self._decoding -= 1


def too_large(limit: int) -> Problem:
    """413 for a body over `limit` bytes."""
    words = f"a request holds at most {limit} bytes before compression: send smaller batches"
    return Problem(413, "too_large", words)


def announced_size(request: Request, limit: int) -> int:
    """The size that the header announces, or the limit for a body of unknown size."""
    text = request.headers.get("content-length", "")
    size = int(text) if text.isascii() and text.isdigit() else limit
    if size > limit:
        raise too_large(limit)
    return size


async def read_body(request: Request, limit: int) -> bytes:
    """The body as sent, at most `limit` bytes. Raises Problem 413."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise too_large(limit)
    except ClientDisconnect:
        raise Problem(400, "malformed", "the body ended before it was complete") from None
    return bytes(body)


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The plain body; never makes more than `limit` bytes. Raises Problem 400 and 413."""
    try:
        if encoding in ("", "identity"):
            return body
        if encoding == "gzip":
            return _gunzip(body, limit)
        if encoding == "zstd":
            return _unzstd(body, limit)
    except (zlib.error, zstandard.ZstdError) as error:
        raise Problem(400, "malformed", f"the body is not {encoding}: {error}"[:200]) from None
    raise Problem(400, "malformed", "Content-Encoding must be gzip, zstd or absent")


def _gunzip(body: bytes, limit: int) -> bytes:
    """Gzip allows several members, one after the other."""
    plain = bytearray()
    while body:
        member = zlib.decompressobj(GZIP_WINDOW)
        plain += member.decompress(body, limit + 1 - len(plain))
        if len(plain) > limit:
            raise too_large(limit)
        if not member.eof:
            raise Problem(400, "malformed", "the gzip body is cut short")
        body = member.unused_data
    return bytes(plain)


def _unzstd(body: bytes, limit: int) -> bytes:
    """Feeds little at a time: 1 KiB of zstd can become 32 MiB, and output has no limit."""
    plain = bytearray()
    frames = zstandard.ZstdDecompressor(max_window_size=MAX_ZSTD_WINDOW_BYTES)
    frame = frames.decompressobj()
    for at in range(0, len(body), ZSTD_STEP_BYTES):
        rest = body[at : at + ZSTD_STEP_BYTES]
        while rest:
            frame = frames.decompressobj() if frame.eof else frame
            plain += frame.decompress(rest)
            rest = frame.unused_data if frame.eof else b""
            if len(plain) > limit:
                raise too_large(limit)
    if not frame.eof:
        raise Problem(400, "malformed", "the zstd body is cut short")
    return bytes(plain)
