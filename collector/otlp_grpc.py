"""OTLP over gRPC, port 4317: the same spans, the same pipeline, the same answers.

Codes as the OTLP spec has them: UNAVAILABLE and RESOURCE_EXHAUSTED (with a delay) are worth another
try, INVALID_ARGUMENT, UNAUTHENTICATED and PERMISSION_DENIED are not.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from typing import Any
from urllib.parse import unquote

import grpc
import structlog
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from . import keys
from .auth import KeyRing, credential
from .errors import ConfigError, Overloaded, StoreError
from .otlp_http import response_of
from .otlp_request import from_protobuf
from .otlp_store import measure, rejection, take_in_spans
from .problem import Problem
from .services import Services

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
THREADS = 8
STOP_SECONDS = 10.0
RETRY_SECONDS = 1
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}
log = structlog.get_logger(__name__)


class GrpcDoor:
    """A gRPC server on `host:port` (0: any free one); `close` drains it."""

    def __init__(self, parts: Services, ring: KeyRing, host: str, port: int) -> None:
        self._parts = parts
        self._ring = ring
        self._server = grpc.server(
            ThreadPoolExecutor(THREADS, thread_name_prefix="otlp-grpc"),
            options=[("grpc.max_receive_message_length", parts.settings.max_body_bytes),
                     ("grpc.so_reuseport", 0)],
            maximum_concurrent_rpcs=4 * THREADS,
        )  # fmt: skip
        handler = grpc.unary_unary_rpc_method_handler(self._export)  # bytes in, bytes out
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, {"Export": handler}),)
        )
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            self.port = self._server.add_insecure_port(where)
        except RuntimeError:
            self.port = 0
        if not self.port:
            raise ConfigError(
                f"cannot listen on {where} for OTLP/gRPC: stop what uses the port, or set "
                "DRIFTLINE_OTLP_GRPC_PORT to a free one (-1 switches gRPC off)"
            )
        self._server.start()

    def close(self) -> None:
        """Answer what is running, then stop."""
        self._server.stop(STOP_SECONDS).wait()

    def _export(self, body: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            return self._store(body, context)
        except Problem as problem:
            self._parts.meters.refused.labels(problem.code).inc()
            retry = int(problem.headers.get("Retry-After", "0"))
            self._abort(context, CODES.get(problem.status), problem.message, retry)
        except (Overloaded, NotInTime):
            self._abort(context, grpc.StatusCode.UNAVAILABLE, "busy; try again", RETRY_SECONDS)
        except StoreError as error:
            log.error("store_error", error=str(error))
            words = "the database did not answer; try again"
            self._abort(context, grpc.StatusCode.UNAVAILABLE, words, RETRY_SECONDS)
        raise AssertionError("abort raises")

    def _store(self, body: bytes, context: grpc.ServicerContext) -> bytes:
        parts, project = self._parts, self._project(dict(context.invocation_metadata()))
        parts.limits.admit(project)
        parts.committer.admit()
        spans = from_protobuf(body)
        if len(spans) > parts.settings.max_lines:
            raise Problem(413, "too_large", "too many spans in a request: send smaller batches")
        intake = take_in_spans(parts, project, spans, len(body))
        waiting = parts.committer.submit(intake.batch(project))
        outcome = waiting.result(parts.settings.queue_seconds)
        measure(parts, intake, outcome)
        return bytes(response_of(rejection(intake, outcome)).SerializeToString())

    def _project(self, metadata: dict[str, Any]) -> str:
        """The project of the caller. Raises Problem."""
        key = credential(metadata.get("authorization", ""), metadata.get("x-api-key", ""))
        caller = self._ring.caller(key, unquote(metadata.get("driftline-project", "")))
        if not keys.allows(caller.scope, "ingest"):
            raise Problem(403, "scope", f"this key has scope {caller.scope!r}")
        if not caller.project:
            raise Problem(400, "no_project", "name a project in the metadata driftline-project")
        return caller.project

    def _abort(
        self,
        context: grpc.ServicerContext,
        code: grpc.StatusCode | None,
        words: str,
        retry_seconds: int,
    ) -> None:
        """End the call; with RetryInfo when it is worth another try."""
        final = code or grpc.StatusCode.INTERNAL
        if retry_seconds:
            status = status_pb2.Status(code=final.value[0], message=words)
            pause = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=retry_seconds))
            status.details.add().Pack(pause)
            context.set_trailing_metadata(
                (("grpc-status-details-bin", status.SerializeToString()),)
            )
        context.abort(final, words)
