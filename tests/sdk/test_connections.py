"""Connections of the API client: kept, renewed when the other side hung up, closed at the end."""

import gc
import socket
import threading
import urllib.parse
from collections.abc import Callable, Iterator

import pytest

from driftline.sdk.connections import Answer, Connections

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRetry-After: 7\r\n\r\nok"
WAIT_SECONDS = 10


class Server(threading.Thread):
    """Answers; after each answer it hangs up, if so told."""

    def __init__(self, hangs_up: bool) -> None:
        super().__init__(daemon=True)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._hangs_up = hangs_up
        self.hung_up = threading.Semaphore(0)
        self.connections = 0
        self.requests: list[bytes] = []
        self.url = urllib.parse.urlsplit(f"http://127.0.0.1:{self._listening.getsockname()[1]}/p/")

    def run(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                self._serve(connection)
            self.hung_up.release()

    def _serve(self, connection: socket.socket) -> None:
        while request := connection.recv(65536):
            self.requests.append(request.split(b"\r\n")[0])
            connection.sendall(ANSWER)
            if self._hangs_up:
                return

    def stop(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.join(WAIT_SECONDS)


@pytest.fixture
def serve() -> Iterator[Callable[[bool], Server]]:
    servers: list[Server] = []

    def start(hangs_up: bool) -> Server:
        servers.append(Server(hangs_up))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def test_a_connection_is_kept_for_the_next_request(serve: Callable[[bool], Server]) -> None:
    server = serve(False)
    connections = Connections(server.url, WAIT_SECONDS)
    for _ in range(3):
        assert connections.ask("GET", "/x", None, {}) == Answer(200, b"ok", "7")
    connections.close()
    assert server.requests == [b"GET /p/x HTTP/1.1"] * 3
    assert server.connections == 1


def test_a_connection_that_was_hung_up_while_idle_is_renewed_without_an_error(
    serve: Callable[[bool], Server],
) -> None:
    server = serve(True)
    connections = Connections(server.url, WAIT_SECONDS)
    for _ in range(3):
        assert connections.ask("POST", "/x", b"{}", {}).status == 200
        assert server.hung_up.acquire(timeout=WAIT_SECONDS)
    connections.close()
    assert server.connections == 3


def test_nothing_is_left_open_when_the_owner_is_gone(serve: Callable[[bool], Server]) -> None:
    """An open socket would be a ResourceWarning, which is an error here."""
    server = serve(False)
    connections = Connections(server.url, WAIT_SECONDS)
    connections.ask("GET", "/x", None, {})
    del connections
    gc.collect()
    assert server.hung_up.acquire(timeout=WAIT_SECONDS)
