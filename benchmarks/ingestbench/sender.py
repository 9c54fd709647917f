"""A client process: makes its bodies, waits for a line on stdin, sends them, reports as JSON.

    sender.py HOST PORT KEY BATCHES SPANS_PER_BATCH BATCHES_PER_SECOND (0: as fast as answered)

A batch that is answered 429 or 503 is sent again after Retry-After. Latencies are of acknowledged
requests, in seconds; at a rate they count from the moment a batch was due.
"""

from __future__ import annotations

import gc
import http.client
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from spans import Spans, body, seed

BUSY = (429, 503)


@dataclass
class Sender:
    """One keep-alive connection."""

    host: str
    port: int
    key: str
    statuses: Counter[str] = field(default_factory=Counter)
    without_retry_after: int = 0
    accepted: int = 0

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection(self.host, self.port, timeout=120)

    def deliver(self, content: bytes) -> None:
        """Send until it is acknowledged."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Encoding": "gzip"}
        headers["Content-Type"] = "application/x-ndjson"
        while True:
            try:
                self._connection.request("POST", "/v1/events", content, headers)
                answer = self._connection.getresponse()
                text = answer.read()
            except OSError:
                self.statuses["connection"] += 1
                self._connection.close()
                time.sleep(0.2)
                continue
            self.statuses[str(answer.status)] += 1
            if answer.status == 200:
                said = json.loads(text)
                self.accepted += said["accepted"] + said["duplicates"]
                return
            if answer.status not in BUSY:
                raise SystemExit(f"{answer.status}: {text[:300]!r}")
            wait = answer.getheader("Retry-After")
            self.without_retry_after += wait is None
            time.sleep(float(wait or 1))


def main() -> None:
    host, port, key, batches, size, rate = sys.argv[1:7]
    spans = Spans(seed())
    bodies = [body([spans.one() for _ in range(int(size))]) for _ in range(int(batches))]
    gc.freeze()
    sender = Sender(host, int(port), key)
    print("ready", flush=True)
    sys.stdin.readline()
    latencies = []
    began, spent = time.monotonic(), time.process_time()
    for number, content in enumerate(bodies):
        due = began + number / float(rate) if float(rate) else time.monotonic()
        time.sleep(max(0.0, due - time.monotonic()))
        sender.deliver(content)
        latencies.append(time.monotonic() - due)
    report = {
        "seconds": time.monotonic() - began,
        "cpu": time.process_time() - spent,
        "accepted": sender.accepted,
        "statuses": sender.statuses,
        "without_retry_after": sender.without_retry_after,
        "latencies": latencies,
    }
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
