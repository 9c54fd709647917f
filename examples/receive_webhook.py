"""Receive Driftline's webhooks and believe only the signed ones. Standard library only.

    DRIFTLINE_WEBHOOK_SECRET=whsec_... python examples/receive_webhook.py

The secret is shown once by `driftline webhooks create`. Deliveries follow Standard Webhooks 1.0.0
(https://www.standardwebhooks.com), so a ready library for your language verifies them as well.
For a receiver on this machine start the collector with DRIFTLINE_WEBHOOK_ALLOW=127.0.0.1/32.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8404
TOLERANCE_SECONDS = 300
MAX_BODY_BYTES = 1_000_000


def is_genuine(secret: str, message_id: str, stamp: str, given: str, body: bytes) -> bool:
    """Whether one of the signatures in `given` is ours, and recent."""
    if not stamp.isdigit() or abs(time.time() - int(stamp)) > TOLERANCE_SECONDS:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256)
    expected = b"v1," + base64.b64encode(digest)
    return any(hmac.compare_digest(expected, one.encode()) for one in given.split())


class Handler(BaseHTTPRequestHandler):
    """Answers 204 to genuine messages, 401 to others. A retry has the same `webhook-id`."""

    def do_POST(self) -> None:
        length = min(int(self.headers.get("Content-Length") or 0), MAX_BODY_BYTES)
        body = self.rfile.read(length)
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        message_id, stamp, given = (self.headers.get(name, "") for name in names)
        secret = os.environ["DRIFTLINE_WEBHOOK_SECRET"]
        genuine = is_genuine(secret, message_id, stamp, given, body)
        self.send_response(204 if genuine else 401)
        self.end_headers()
        if genuine:
            message = json.loads(body)
            print(message["type"], json.dumps(message["data"])[:500], flush=True)


def main() -> None:
    if not os.environ.get("DRIFTLINE_WEBHOOK_SECRET"):
        sys.exit("set DRIFTLINE_WEBHOOK_SECRET to the secret of `driftline webhooks create`")
    print(f"listening on http://127.0.0.1:{PORT}", flush=True)
    ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()


if __name__ == "__main__":
    main()
