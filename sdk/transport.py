"""How a batch of lines leaves the process: one method, and its HTTP form.

The seam: buffer -> store -> transport. Whatever sends lines (HTTP, memory) is a `Transport`.
"""

from __future__ import annotations

import codecs
import importlib
import json
import os
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .compress import best_compression
from .errors import Unreachable

if TYPE_CHECKING:
    import http.client

USER_AGENT = "driftline-python"
PATH = "/v1/events"
MAX_ANSWER_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Reply:
    """The collector's answer: HTTP status, the reasons of rejected lines, and when to come back.

    `understood` is False when the body is not an ingest result: somebody else answered.
    """

    status: int
    rejected: tuple[str, ...] = ()
    retry_after_seconds: float | None = None
    understood: bool = True


class Transport(Protocol):
    """Something that takes lines."""

    def send(self, lines: Sequence[bytes]) -> Reply:
        """Deliver `lines` (JSON, without newlines) at once. Raises Unreachable without an answer.

        Called by one thread at a time; may be called again with the same lines.
        """


class HttpTransport:
    """POST /v1/events as compressed JSON lines, on one connection that is kept open."""

    def __init__(
        self, url: str, api_key: str, project: str = "", *, timeout_seconds: float = 10.0
    ) -> None:
        parts = urllib.parse.urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port
        self._path = parts.path.rstrip("/") + PATH
        self._where = f"{self._host}:{self._port}" if self._port else self._host
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Content-Type": "application/x-ndjson",
            "User-Agent": USER_AGENT,
        }
        self._headers["Content-Encoding"], self._compress = best_compression()
        if project:
            self._headers["Driftline-Project"] = urllib.parse.quote(project)
        self._timeout = timeout_seconds
        # Loaded here, not by the sender: a fork in the middle of an import leaves the child with a
        # lock that nobody holds, or with half a module (the codec that getaddrinfo asks for).
        importlib.import_module("http.client")
        codecs.lookup("idna")
        self._connection: http.client.HTTPConnection | None = None
        self._pid = os.getpid()

    def send(self, lines: Sequence[bytes]) -> Reply:
        body = self._compress(lines)
        reused = self._is_open()
        try:
            return self._post(body)
        except Unreachable:
            if not reused:
                raise
        return self._post(body)  # the server had closed an idle connection: not an outage

    def close(self) -> None:
        """Drop the connection; the next `send` opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _post(self, body: bytes) -> Reply:
        import http.client

        try:
            connection = self._open()
            connection.request("POST", self._path, body, self._headers)
            response = connection.getresponse()
            data = response.read(MAX_ANSWER_BYTES)
            if not response.isclosed():
                self.close()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            reason = type(error).__name__
            raise Unreachable(f"no answer from {self._where}: {reason}") from error
        retry_after = _seconds(response.getheader("Retry-After"))
        rejected = _rejected(data)
        return Reply(response.status, rejected or (), retry_after, rejected is not None)

    def _is_open(self) -> bool:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._disown()
        return self._connection is not None and self._connection.sock is not None

    def _disown(self) -> None:
        """In a forked child: give up the parent's connection without using it.

        Its reader's lock may have been held, at the fork, by the parent's sender; closing the
        reader would wait for that lock forever. Only the descriptor is closed.
        """
        connection, self._connection = self._connection, None
        if connection is not None and connection.sock is not None:
            os.close(connection.sock.detach())

    def _open(self) -> http.client.HTTPConnection:
        import http.client

        if self._connection is None:
            kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
            self._connection = kind(self._host, self._port, timeout=self._timeout)
        return self._connection


def _rejected(data: bytes) -> tuple[str, ...] | None:
    """Why lines were rejected; None when this is not the answer of a collector."""
    try:
        return tuple(str(problem["reason"]) for problem in json.loads(data)["rejected"])
    except (ValueError, TypeError, KeyError):
        return None


def _seconds(header: str | None) -> float | None:
    """Retry-After in seconds. The date form is rare, and its clock is not ours: ignored."""
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None
