"""A server that takes what any contender sends, answers success, and counts: python sink.py [PORT].

It speaks /v1/events, OTLP (protobuf) and Opik's REST; GET /count says how many spans it got.
"""

from __future__ import annotations

import gzip
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RESOURCE_SPANS, SCOPE_SPANS, SPANS = 1, 2, 2  # field numbers of ExportTraceServiceRequest
RESULT = b'{"accepted":0,"duplicates":0,"rejected":[],"warnings":[]}'


def varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def messages(data: memoryview, number: int) -> Iterator[memoryview]:
    """The length-delimited fields `number` of a protobuf message."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            _, at = varint(data, at)
        elif tag & 7 == 2:
            size, at = varint(data, at)
            if tag >> 3 == number:
                yield data[at : at + size]
            at += size
        else:
            at += 8 if tag & 7 == 1 else 4


def otlp_spans(body: bytes) -> int:
    return sum(
        1
        for resource in messages(memoryview(body), RESOURCE_SPANS)
        for scope in messages(resource, SCOPE_SPANS)
        for _ in messages(scope, SPANS)
    )


def spans(path: str, body: bytes) -> int:
    if path.endswith("/v1/events"):
        return body.count(b'"type":"event"')
    if path.endswith("/v1/traces"):
        return otlp_spans(body)
    if path.endswith("/spans/batch"):
        return len(json.loads(body)["spans"])
    return 1 if path.endswith("/v1/private/spans") else 0


def plain(body: bytes, encoding: str) -> bytes:
    if encoding == "zstd":
        import zstandard

        return zstandard.decompress(body)
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    lock = threading.Lock()
    count = 0

    def do_POST(self) -> None:
        body = self.read()
        found = spans(self.path, plain(body, self.headers.get("Content-Encoding", "")))
        with Handler.lock:
            Handler.count += found
        if self.path.endswith("/v1/events"):
            self.answer(200, RESULT)
        elif self.path.endswith("/v1/traces"):
            self.answer(200, b"", "application/x-protobuf")
        else:
            self.answer(204 if "batch" in self.path else 201, b"")

    do_PUT = do_PATCH = do_POST

    def do_GET(self) -> None:
        self.answer(200, json.dumps({"count": Handler.count}).encode())

    def read(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


if __name__ == "__main__":
    server = Server(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
