"""An error answer: `{"code", "message", "field", "request_id"}` (docs/api.md, Errors)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .errors import Overloaded, StoreError, StoreUnreachable

RETRY_SECONDS = 1


class ProblemBody(BaseModel):
    """What every error answers."""

    code: str
    message: str
    field: str
    request_id: str


# For the OpenAPI page: any operation may answer these (docs/api.md, Errors).
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemBody, "description": description}
    for status, description in (
        (400, "Malformed, or no project named"),
        (401, "No key, or a wrong one"),
        (403, "The key's scope or project does not allow it"),
        (404, "Not in this project"),
        (409, "Somebody else was first"),
        (413, "Too large"),
        (422, "A field is wrong"),
        (429, "Too many requests: try again after Retry-After"),
        (503, "Busy: try again after Retry-After"),
    )
}
NOTHING: dict[int | str, dict[str, Any]] = {204: {"description": "Nothing to do now"}}
log = structlog.get_logger(__name__)


class Problem(Exception):
    """Answer the request with this error. `message` says what to do; `field` says where."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.headers = dict(headers or {})


def not_found(what: str, name: str) -> Problem:
    """404 for a thing of this project that does not exist."""
    return Problem(404, "not_found", f"no {what} {name[:100]!r} in this project")


def busy(message: str, *, retry_seconds: int = RETRY_SECONDS) -> Problem:
    """503: try again after `retry_seconds`."""
    return Problem(503, "busy", message, headers={"Retry-After": str(retry_seconds)})


def internal() -> Problem:
    """500: what went wrong is in the log."""
    words = "the collector failed; its log has the details under this request id"
    return Problem(500, "internal", words)


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(StoreError, _store)
    app.add_exception_handler(Overloaded, _overloaded)


def answer(request: Request, problem: Problem) -> JSONResponse:
    """`problem` as the response to `request`."""
    body = {
        "code": problem.code,
        "message": problem.message,
        "field": problem.field,
        "request_id": request.scope.get("request_id", ""),
    }
    return JSONResponse(body, problem.status, headers=problem.headers)


def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return answer(request, error)


def _invalid(request: Request, error: Exception) -> Response:
    """A body that is not JSON is malformed (400); a wrong field is invalid (422)."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    if first["type"] == "json_invalid":
        return answer(request, Problem(400, "malformed", f"the body is not JSON: {first['msg']}"))
    field = ".".join(place)
    return answer(request, Problem(422, "invalid_field", f"{field}: {first['msg']}", field=field))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    message = f"{error.detail}: {request.method} {request.url.path[:200]}"
    return answer(request, Problem(error.status_code, code, message, headers=error.headers))


def _store(request: Request, error: Exception) -> Response:
    """No answer: try again (503). A refused statement is a fault of ours (500)."""
    log.error("store_error", error=str(error))
    if isinstance(error, StoreUnreachable):
        return answer(request, busy("the database did not answer; try again"))
    return answer(request, internal())


def _overloaded(request: Request, error: Exception) -> Response:
    return answer(request, busy(str(error)))
