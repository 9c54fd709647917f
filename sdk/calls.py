"""One call of the collector's HTTP API: the connection, the retries, the errors."""

from __future__ import annotations

import http.client
import json
import time
import urllib.parse
from collections.abc import Collection
from typing import Self, TypeVar

from . import records as r
from .connections import Connections
from .errors import ApiError, Busy, ConfigError, Unreachable, error_for
from .retry import delays

T = TypeVar("T")

TIMEOUT_SECONDS = 60.0
RETRIES = 4
USER_AGENT = "driftline-python"


class Calls:
    """The collector at `url`, as the holder of `key`; `project` is for keys that span projects."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        project: str = "",
        timeout_seconds: float = TIMEOUT_SECONDS,
        retries: int = RETRIES,
    ) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"collector URL {url!r} is not http(s)://host[:port]")
        self.url = url.rstrip("/")
        self.project = project
        self._key = key
        self._timeout = timeout_seconds
        self._retries = retries
        self._connections = Connections(parts, timeout_seconds)

    def for_project(self, project: str) -> Self:
        """The same collector and key, on another project."""
        return type(self)(
            self.url,
            self._key,
            project=project,
            timeout_seconds=self._timeout,
            retries=self._retries,
        )

    def close(self) -> None:
        """Close this thread's connection; using the client again opens another."""
        self._connections.close()

    def ready(self) -> bool:
        """Whether the collector can take and store events now."""
        try:
            self._send("GET", "/readyz", None, {})
        except ApiError:
            return False
        return True

    def _one(
        self, cls: type[T], method: str, path: str, body: object = None, *, retry: bool = True
    ) -> T:
        return r.decode_record(cls, json.loads(self._request(method, path, body, retry=retry)))

    def _many(
        self, item: type[T], method: str, path: str, key: str, body: object = None
    ) -> list[T]:
        values = json.loads(self._request(method, path, body))[key]
        return [r.decode(item, value) for value in values]

    def _request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: dict[str, str] | None = None,
        retry: bool = True,
        accept: Collection[int] = (),
    ) -> bytes:
        """One call with retries: a dropped connection, 429 and 503 are worth another try.

        `accept`: statuses of 400 and above whose body is an answer and not an error.
        """
        head = {"Content-Type": "application/json", **(headers or {})}
        payload = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        waits = delays(self._retries if retry else 0)
        while True:
            try:
                return self._send(method, path, payload, head, accept)
            except (Unreachable, Busy) as error:
                wait = next(waits, None)
                if wait is None:
                    raise
                time.sleep(max(wait, min(error.retry_after_seconds or 0.0, 30.0)))

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
        accept: Collection[int] = (),
    ) -> bytes:
        head = {"User-Agent": USER_AGENT, "Authorization": f"Bearer {self._key}", **headers}
        if self.project:
            head["Driftline-Project"] = urllib.parse.quote(self.project)
        try:
            answer = self._connections.ask(method, path, body, head)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(
                f"no answer from {self.url}: {error or type(error).__name__}"
            ) from error
        if answer.status >= 400 and answer.status not in accept:
            raise _api_error(answer.status, answer.body, answer.retry_after)
        return answer.body


def _api_error(status: int, data: bytes, retry_after: str | None) -> ApiError:
    try:
        body = json.loads(data)
        message = body["message"]
        about = {name: str(body.get(name) or "") for name in ("code", "field", "request_id")}
    except (ValueError, KeyError, TypeError):
        message, about = f"HTTP {status}", {}
    seconds = float(retry_after) if retry_after and retry_after.isdigit() else None
    return error_for(status)(message, status=status, retry_after_seconds=seconds, **about)
