"""What can go wrong when talking to a collector.

DriftlineError
├── ConfigError            a setting is missing or wrong; the message names it
└── ApiError               the collector answered with an error, or not at all
    ├── Unreachable        no answer (refused, timed out, reset)
    ├── AuthError          401, 403: the key is missing, wrong, revoked or lacks the scope
    ├── NotFound           404
    ├── Invalid            other 4xx: the request is wrong; `field` and `code` say where
    ├── Conflict           409: somebody else was first (a lost lease, a taken name)
    └── Busy               429, 503: try again after `retry_after_seconds`
"""

from __future__ import annotations


class DriftlineError(Exception):
    """The root of everything this package raises on purpose."""


class ConfigError(DriftlineError):
    """A setting is missing or wrong."""


class ApiError(DriftlineError):
    """The collector answered with an error, or not at all."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str = "",
        field: str = "",
        retry_after_seconds: float | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.field = field
        self.retry_after_seconds = retry_after_seconds
        self.request_id = request_id  # under which the collector's log has the details


class Unreachable(ApiError):
    """No answer."""


class AuthError(ApiError):
    """401 or 403."""


class NotFound(ApiError):
    """404."""


class Invalid(ApiError):
    """The request is wrong."""


class Conflict(ApiError):
    """409."""


class Busy(ApiError):
    """429 or 503."""


def error_for(status: int) -> type[ApiError]:
    """The class for an HTTP status of 400 and above."""
    if status in (401, 403):
        return AuthError
    if status == 404:
        return NotFound
    if status == 409:
        return Conflict
    if status in (429, 503):
        return Busy
    return Invalid if status < 500 else ApiError
