"""OTLP over gRPC: a real channel to a real server on the collector's own services."""

import socket
import time
from contextlib import contextmanager

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from driftline.collector.errors import ConfigError
from driftline.collector.otlp_grpc import GrpcDoor

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@contextmanager
def opened(front):
    app = front.client.app
    door = GrpcDoor(app.state.services, app.state.keyring, "127.0.0.1", 0)
    try:
        with grpc.insecure_channel(f"127.0.0.1:{door.port}") as channel:
            yield channel.unary_unary(
                METHOD,
                request_serializer=ExportTraceServiceRequest.SerializeToString,
                response_deserializer=ExportTraceServiceResponse.FromString,
            )
    finally:
        door.close()


def request_of(spans=1, trace=b"\x01" * 16):
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    now = time.time_ns() - 10**9
    for number in range(spans):
        span = scope.spans.add(
            trace_id=trace,
            span_id=(number + 1).to_bytes(8),
            name="chat",
            start_time_unix_nano=now,
            end_time_unix_nano=now + 10**6,
        )
        span.attributes.add(key="gen_ai.operation.name").value.string_value = "chat"
    return request


def metadata(front, key=None):
    return (
        ("authorization", f"Bearer {key or front.key}"),
        ("driftline-project", front.project.replace(" ", "%20")),
    )


def test_spans_are_stored_and_a_bad_one_is_a_partial_success(front):
    request = request_of(3)
    request.resource_spans[0].scope_spans[0].spans[1].trace_id = b""
    with opened(front) as export:
        answer = export(request, metadata=metadata(front), compression=grpc.Compression.Gzip)
    assert answer.partial_success.rejected_spans == 1
    assert len(front.get("/v1/events")["rows"]) == 2


def test_a_wrong_key_is_unauthenticated_and_a_reading_one_may_not_write(front):
    reader = front.post("/v1/keys", {"project": front.project_id, "scope": "read"})["secret"]
    with opened(front) as export:
        for key, code in (
            ("sk-dl-00000000-nobodyknowsthiskey", grpc.StatusCode.UNAUTHENTICATED),
            (reader, grpc.StatusCode.PERMISSION_DENIED),
        ):
            with pytest.raises(grpc.RpcError) as raised:
                export(request_of(), metadata=metadata(front, key))
            assert raised.value.code() == code
        with pytest.raises(grpc.RpcError) as raised:
            export(request_of())
        assert raised.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_a_project_that_sends_too_fast_is_told_how_long_to_wait(front):
    front.client.put("/v1/settings", json={"events_per_second": 1}, headers=front.headers)
    with opened(front) as export:
        export(request_of(50), metadata=metadata(front))
        with pytest.raises(grpc.RpcError) as raised:
            export(request_of(), metadata=metadata(front))
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    trailers = dict(raised.value.trailing_metadata())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    pause = error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(pause)
    assert pause.retry_delay.seconds >= 1


def test_bytes_that_are_no_request_are_refused(front):
    app = front.client.app
    door = GrpcDoor(app.state.services, app.state.keyring, "127.0.0.1", 0)
    try:
        with grpc.insecure_channel(f"127.0.0.1:{door.port}") as channel:
            with pytest.raises(grpc.RpcError) as raised:
                channel.unary_unary(METHOD)(b"\xff\xff\xff", metadata=metadata(front))
            assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    finally:
        door.close()


def test_a_taken_port_says_what_to_do(front):
    app = front.client.app
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match="DRIFTLINE_OTLP_GRPC_PORT"):
            GrpcDoor(app.state.services, app.state.keyring, "127.0.0.1", port)
