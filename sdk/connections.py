"""One keep-alive HTTP connection a thread, closed when its thread or its owner is gone."""

from __future__ import annotations

import http.client
import selectors
import threading
import urllib.parse
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, body, and the Retry-After header."""

    status: int
    body: bytes
    retry_after: str | None


class _Slot:
    """Holds a thread's connection; without its own close, CPython warns of an open socket."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self.connection = connection

    def __del__(self) -> None:
        self.connection.close()


def _hung_up(connection: http.client.HTTPConnection) -> bool:
    """Whether the other side closed an idle connection: only then is there something to read."""
    if connection.sock is None:
        return False
    with selectors.DefaultSelector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        return bool(selector.select(0))


class Connections:
    """To the host of `url`, whose path is the prefix of every request. Safe for threads."""

    def __init__(self, url: urllib.parse.SplitResult, timeout_seconds: float) -> None:
        self._url = url
        self._timeout = timeout_seconds
        self._local = threading.local()

    def ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        """One request. Raises OSError or http.client.HTTPException; the next one connects anew."""
        connection = self._connection()
        try:
            connection.request(method, self._url.path.rstrip("/") + path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.read(), response.headers.get("Retry-After"))
        except BaseException:  # an interrupted exchange would leave its answer to the next one
            self.close()
            raise

    def close(self) -> None:
        """Close this thread's connection; the next request opens another."""
        slot: _Slot | None = getattr(self._local, "slot", None)
        self._local.slot = None
        if slot is not None:
            slot.connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        slot: _Slot | None = getattr(self._local, "slot", None)
        if slot is None or _hung_up(slot.connection):
            secure = self._url.scheme == "https"
            kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
            made = kind(self._url.hostname or "", self._url.port, timeout=self._timeout)
            slot = self._local.slot = _Slot(made)
        return slot.connection
