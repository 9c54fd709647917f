"""A webhook receiver: a real HTTP server that believes only what is signed.

Standard Webhooks 1.0.0 (https://www.standardwebhooks.com): the signature is HMAC-SHA256 over
`id.timestamp.body` with the secret's decoded bytes, base64, prefixed `v1,`; several may be given,
separated by spaces; a timestamp more than five minutes off is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE_SECONDS = 300
MAX_BODY_BYTES = 1_000_000
PREFIX = "whsec_"


class BadSignature(Exception):
    """The message is not from who it says, or not from now."""


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> None:
    """Raises BadSignature, with the reason, unless `body` was signed with `secret`.

    `headers` holds `webhook-id`, `webhook-timestamp` and `webhook-signature`; `now`: Unix seconds.
    """
    try:
        stamp = int(headers["webhook-timestamp"])
        message = f"{headers['webhook-id']}.{stamp}.".encode() + body
        given = headers["webhook-signature"].split()
    except (KeyError, ValueError) as error:
        raise BadSignature(f"a webhook header is missing or malformed: {error}") from None
    if abs(now - stamp) > TOLERANCE_SECONDS:
        raise BadSignature(f"the timestamp is {now - stamp:.0f} s off")
    expected = signature(secret, message)
    if not any(hmac.compare_digest(expected.encode(), one.encode()) for one in given):
        raise BadSignature("the signature does not match")


def signature(secret: str, message: bytes) -> str:
    """`v1,<base64>` of the message."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise BadSignature("the secret is not whsec_ and base64") from None
    return "v1," + base64.b64encode(hmac.digest(key, message, hashlib.sha256)).decode()


@dataclass(frozen=True, slots=True)
class Notice:
    """One verified message; a retry of it has the same id and is kept once."""

    id: str
    sender: str
    type: str
    incident_id: str


class Receiver:
    """Listens on 127.0.0.1; believes the senders whose secrets it was told (503 until then)."""

    def __init__(self, port: int, clock: Callable[[], float] = time.time) -> None:
        self._secrets: dict[str, str] = {}
        self.refused = 0
        self._notices: dict[str, Notice] = {}
        self._clock = clock
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/driftline"

    def trust(self, sender: str, secret: str) -> None:
        """Believe what is signed with this secret."""
        self._secrets[sender] = secret

    @property
    def notices(self) -> list[Notice]:
        """Verified messages in the order of their arrival."""
        return list(self._notices.values())

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        """Judge one request; returns the HTTP status."""
        if not self._secrets:
            return 503
        try:
            notice = _notice(headers.get("webhook-id", ""), self._sender(headers, body), body)
        except (BadSignature, ValueError):
            self.refused += 1
            return 401
        self._notices.setdefault(notice.id, notice)
        return 204

    def _sender(self, headers: Mapping[str, str], body: bytes) -> str:
        """Who signed it. Raises BadSignature when nobody known did."""
        refused = BadSignature("nobody is trusted")
        for sender, secret in self._secrets.items():
            try:
                verify(secret, headers, body, self._clock())
            except BadSignature as error:
                refused = error
            else:
                return sender
        raise refused


def _notice(message_id: str, sender: str, body: bytes) -> Notice:
    message = json.loads(body)
    data = message.get("data") or {}
    return Notice(message_id, sender, str(message["type"]), str(data.get("id", "")))


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if not 0 <= length <= MAX_BODY_BYTES:
                return self._answer(413)
            body = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            return self._answer(receiver.take(headers, body))

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Bodies and addresses stay out of the story."""

    return Handler
