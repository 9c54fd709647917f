"""The typed client of the collector's API, against a real HTTP server."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from driftline.sdk.api import Api
from driftline.sdk.errors import AuthError, Busy, ConfigError, Conflict, Invalid, Unreachable
from driftline.sdk.records import JobSpec, Score

Answers = list[tuple[int, Any]]


class Server(ThreadingHTTPServer):
    """Gives `answers` in turn and keeps the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: Answers = []
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parsed = body.decode() if b"\n" in body else json.loads(body or b"null")
        request = (self.command, self.path, dict(self.headers), parsed)
        self.server.requests.append(request)
        status, value = self.server.answers.pop(0)
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if status in (429, 503):
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def api(server: Server) -> Iterator[Api]:
    api = Api(f"http://127.0.0.1:{server.server_address[1]}/", "sk-x", project="shop ü")
    yield api
    api.close()


PROJECT = {"id": "1", "name": "shop", "created_at": "2026-01-01T00:00:00Z"}
BUSY = {"code": "busy", "message": "later", "field": "", "request_id": "r"}


def test_a_call_carries_the_key_and_the_project_and_reads_records(server: Server, api: Api) -> None:
    server.answers = [(200, {"projects": [PROJECT]})]
    assert [project.name for project in api.projects()] == ["shop"]
    ((method, path, headers, _),) = server.requests
    assert (method, path) == ("GET", "/v1/projects")
    assert headers["Authorization"] == "Bearer sk-x"
    assert headers["Driftline-Project"] == "shop%20%C3%BC"


def test_empty_filters_are_left_out_of_the_query(server: Server, api: Api) -> None:
    server.answers = [(200, {"rows": [], "next_cursor": ""})]
    assert api.events(model="gpt x", limit=5).rows == []
    assert server.requests[0][1] == "/v1/events?limit=5&order=newest&model=gpt+x"


def test_a_bound_of_zero_is_a_bound(server: Server, api: Api) -> None:
    server.answers = [(200, {"rows": [], "next_cursor": ""})]
    api.events(score="thumbs up", score_max=0.0)
    path = server.requests[0][1]
    assert path == "/v1/events?limit=100&order=newest&score=thumbs+up&score_max=0.0"


def test_a_page_of_a_trace_is_asked_for_by_its_cursor(server: Server, api: Api) -> None:
    old = {"trace_id": "a/b", "events": [], "scores": [], "more_events": 3}
    server.answers = [(200, old), (200, old | {"next_cursor": "c2", "earlier_events": 200})]
    first, second = api.trace("a/b"), api.trace("a/b", cursor="c1")
    paths = [path for _, path, _, _ in server.requests]
    assert paths == ["/v1/traces/a%2Fb?", "/v1/traces/a%2Fb?cursor=c1"]
    assert (first.next_cursor, second.next_cursor) == ("", "c2")
    assert (first.earlier_events, second.earlier_events) == (0, 200)


def test_lines_are_sent_as_ndjson(server: Server, api: Api) -> None:
    answer = {"accepted": 2, "duplicates": 0, "rejected": [], "warnings": []}
    server.answers = [(200, answer)]
    assert api.send_lines([{"id": "1"}, {"id": "2"}]).accepted == 2
    assert server.requests[0][3] == '{"id": "1"}\n{"id": "2"}'


def test_a_busy_collector_is_asked_again(server: Server, api: Api) -> None:
    server.answers = [(503, BUSY), (429, BUSY), (200, PROJECT)]
    assert api.create_project("shop").id == "1"
    assert len(server.requests) == 3


def test_what_must_not_happen_twice_is_not_retried(server: Server, api: Api) -> None:
    server.answers = [(503, BUSY)]
    with pytest.raises(Busy, match="later") as caught:
        api.create_key("read")
    assert caught.value.retry_after_seconds == 0
    assert len(server.requests) == 1


@pytest.mark.parametrize(("status", "error"), [(401, AuthError), (409, Conflict), (422, Invalid)])
def test_an_error_says_what_the_collector_said(
    server: Server, api: Api, status: int, error: type[Exception]
) -> None:
    body = {"code": "c", "message": "do this", "field": "limit", "request_id": "r"}
    server.answers = [(status, body)]
    with pytest.raises(error, match="do this") as caught:
        api.monitor()
    assert vars(caught.value) == {
        "status": status,
        "code": "c",
        "field": "limit",
        "retry_after_seconds": None,
        "request_id": "r",
    }


def test_an_error_without_a_readable_body_names_the_status(server: Server, api: Api) -> None:
    server.answers = [(404, b"<html>")]
    with pytest.raises(Exception, match="HTTP 404"):
        api.event("x")


def test_nobody_there_is_unreachable_after_the_retries() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    api = Api(f"http://127.0.0.1:{port}", "k", retries=1)
    with pytest.raises(Unreachable, match=f"127.0.0.1:{port}"):
        api.projects()
    assert not api.ready()


@pytest.mark.parametrize("url", ["localhost:8400", "ftp://x", "http://"])
def test_a_url_that_is_none_is_refused_by_name(url: str) -> None:
    with pytest.raises(ConfigError, match="http"):
        Api(url, "k")


def test_no_work_is_none(server: Server, api: Api) -> None:
    server.answers = [(204, b""), (204, b"")]
    assert api.lease_work("w") is None
    assert api.lease_job("e") is None


def test_results_are_written_as_plain_json(server: Server, api: Api) -> None:
    server.answers = [(200, {})]
    score = Score(event_id="e", name="n", value=None, explanation="no context")
    api.finish_scoring("lease", [score], [], {"f": "boom"})
    body = server.requests[0][3]
    assert body["scores"][0]["explanation"] == "no context" and body["failed"] == {"f": "boom"}


def test_each_thread_has_its_own_connection(server: Server, api: Api) -> None:
    server.answers = [(200, {"projects": []}) for _ in range(8)]
    seen: list[int] = []

    def call() -> None:
        seen.append(len(api.projects()))
        api.close()

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [0] * 8


def test_the_same_key_serves_another_project(server: Server, api: Api) -> None:
    server.answers = [(200, {"names": ["response_length"]})]
    other = api.for_project("other")
    assert other.score_names() == ["response_length"]
    assert server.requests[0][2]["Driftline-Project"] == "other"
    other.close()


def test_a_job_is_created_once_by_its_key(server: Server, api: Api) -> None:
    server.answers = [(503, BUSY), (409, BUSY)]
    with pytest.raises(Conflict):
        api.create_job(JobSpec(), idempotency_key="incident-1")
    assert {request[3]["idempotency_key"] for request in server.requests} == {"incident-1"}
