"""A ClickHouse HTTP endpoint over an embedded ClickHouse: real engine, real wire.

    python clickhouse_http.py DIRECTORY    prints its port, serves until it is ended

It speaks the part of ClickHouse's HTTP interface that clickhouse-connect uses: basic
authentication, the query in the body, the URL or a multipart form, `param_*`, `database`, settings
in the URL, inserts with a body, error codes in `X-ClickHouse-Exception-Code`.
"""

from __future__ import annotations

import base64
import email.parser
import email.policy
import re
import sys
import tempfile
import threading
from collections import defaultdict
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import chdb

USER, PASSWORD = "driftline", "pa:ss w@rd"
# Consumed by the HTTP layer of a server; the engine does not know them.
TRANSPORT = frozenset(
    {
        "database",
        "buffer_size",
        "session_id",
        "query_id",
        "quota_key",
        "compress",
        "decompress",
        "role",
        "query",
        "user",
        "password",
        "wait_end_of_query",
        "client_protocol_version",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "enable_http_compression",
    }
)
INSERT = re.compile(r"\s*INSERT INTO (.+?)\s+FORMAT\s+(\w+)\s*$", re.IGNORECASE | re.DOTALL)
FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
CODE = re.compile(r"Code: (\d+)")


class Engine:
    """The embedded engine; idle connections by their settings, since settings stick to one."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._mutex = threading.Lock()
        self._idle: dict[object, list[chdb.Connection]] = defaultdict(list)

    def run(self, sql: str, database: str, settings: dict[str, str], params: dict[str, str]):
        """The format and the bytes of the result."""
        found = FORMAT.search(sql)
        fmt = found[1] if found else "TabSeparated"
        with self.connection(database, settings) as connection:
            result = connection.query(sql, fmt, params=params)
        return fmt, result.bytes() or b""

    @contextmanager
    def connection(self, database: str, settings: dict[str, str]):
        """A connection that nobody else uses; one whose statement failed is not used again."""
        idle = self._idle[database, tuple(sorted(settings.items()))]
        with self._mutex:
            connection = idle.pop() if idle else self.connect(database, settings)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._mutex:
            idle.append(connection)

    def connect(self, database: str, settings: dict[str, str]):
        connection = chdb.connect(self._directory)
        connection.query(f"USE {database}")
        for name, value in settings.items():
            connection.query(f"SET {name} = {quoted(value)}")
        return connection


def quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Handler(BaseHTTPRequestHandler):
    """One request: credentials, then the statement, then its result."""

    protocol_version = "HTTP/1.1"
    engine: Engine

    def log_message(self, *args: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/ping":
            self.answer(200, b"Ok.\n")
        else:
            self.do_POST()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b"".join(self.chunks())
        expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {expected}":
            self.fail("Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)")
            return
        given = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        if self.headers.get_content_type() == "multipart/form-data":
            given |= form(self.headers["Content-Type"], body)
            body = b""
        try:
            self.execute(given, body)
        except Exception as error:
            self.fail(str(error))

    def chunks(self):
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def execute(self, given: dict[str, str], body: bytes) -> None:
        params = {k.removeprefix("param_"): v for k, v in given.items() if k.startswith("param_")}
        settings = {
            k: v for k, v in given.items() if k not in TRANSPORT and not k.startswith("param_")
        }
        database = given.get("database", "default")
        sql = given.get("query", "")
        insert = INSERT.fullmatch(sql)
        if insert:
            with tempfile.NamedTemporaryFile() as file:
                file.write(body)
                file.flush()
                sql = f"INSERT INTO {insert[1]} FROM INFILE {quoted(file.name)} FORMAT {insert[2]}"
                self.engine.run(sql, database, settings, params)
            self.answer(200, b"")
            return
        fmt, result = self.engine.run(sql + body.decode(), database, settings, params)
        self.answer(200, result, {"X-ClickHouse-Format": fmt} if result else {})

    def fail(self, message: str) -> None:
        code = CODE.search(message)
        headers = {"X-ClickHouse-Exception-Code": code[1]} if code else {}
        self.answer(500, message.encode(), headers)

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("X-ClickHouse-Timezone", "UTC")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def form(content_type: str, body: bytes) -> dict[str, str]:
    """The fields of a multipart form."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    return {
        str(part.get_param("name", header="content-disposition")): part.get_payload(
            decode=True
        ).decode()
        for part in message.iter_parts()
    }


def main(directory: str) -> None:
    Handler.engine = Engine(directory)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
