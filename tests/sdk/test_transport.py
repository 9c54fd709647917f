"""POST /v1/events over HTTP, against a real server."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from driftline.sdk.errors import Unreachable
from driftline.sdk.transport import HttpTransport, Reply


def test_lines_go_out_compressed_with_the_key_and_the_project(sink: Any) -> None:
    transport = HttpTransport(sink.url, "sk-dl-1-x", "shop ü")
    reply = transport.send([b'{"type":"event","id":"1"}', b'{"type":"event","id":"2"}'])
    transport.close()
    assert reply == Reply(200)
    ((headers, lines),) = sink.requests
    assert headers["Authorization"] == "Bearer sk-dl-1-x"
    assert headers["Driftline-Project"] == "shop%20%C3%BC"
    assert headers["Content-Encoding"] == "zstd"
    assert headers["Content-Type"] == "application/x-ndjson"
    assert [line["id"] for line in lines] == ["1", "2"]


def test_one_connection_serves_many_batches(sink: Any) -> None:
    transport = HttpTransport(sink.url, "key")
    for _ in range(5):
        transport.send([b'{"type":"event"}'])
    transport.close()
    assert len(sink.requests) == 5 and sink.connections == 1


def test_an_idle_connection_that_the_server_closed_is_opened_again(
    sink: Any, new_answer: Callable[..., Any]
) -> None:
    sink.answers = [new_answer(hang_up=True)]
    transport = HttpTransport(sink.url, "key")
    assert transport.send([b'{"type":"event"}']).status == 200
    assert transport.send([b'{"type":"event"}']).status == 200
    transport.close()
    assert sink.connections == 2


def test_the_answer_says_what_was_rejected_and_when_to_come_back(
    sink: Any, new_answer: Callable[..., Any]
) -> None:
    sink.answers = [
        new_answer(rejected=[{"line": 1, "reason": "invalid_id"}]),
        new_answer(status=429, body=b"{}", headers={"Retry-After": "7"}),
        new_answer(status=503, body=b"busy", headers={"Retry-After": "Fri, 31 Dec 1999 23:59:59"}),
        new_answer(body=b"<html>please log in</html>"),
    ]
    transport = HttpTransport(sink.url, "key")
    replies = [transport.send([b'{"type":"event"}']) for _ in range(4)]
    transport.close()
    assert replies == [
        Reply(200, ("invalid_id",)),
        Reply(429, (), 7.0, False),
        Reply(503, (), None, False),
        Reply(200, (), None, False),
    ]


def test_nobody_listening_is_unreachable_and_names_the_place_not_the_key() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable, match=f"127.0.0.1:{port}") as caught:
        HttpTransport(f"http://127.0.0.1:{port}", "sk-secret").send([b"{}"])
    assert "sk-secret" not in str(caught.value)


def test_a_server_that_does_not_answer_in_time_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        transport = HttpTransport(
            f"http://127.0.0.1:{mute.getsockname()[1]}", "key", timeout_seconds=0.05
        )
        with pytest.raises(Unreachable, match="TimeoutError"):
            transport.send([b"{}"])


def test_a_path_in_the_url_is_kept(sink: Any) -> None:
    transport = HttpTransport(sink.url + "/driftline/", "key")
    assert transport.send([b'{"type":"event"}']).status == 200
    assert transport._path == "/driftline/v1/events"
    transport.close()
