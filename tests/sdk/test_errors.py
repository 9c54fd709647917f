"""Every HTTP error has one class."""

import pytest

from driftline.sdk.errors import (
    ApiError,
    AuthError,
    Busy,
    Conflict,
    DriftlineError,
    Invalid,
    NotFound,
    error_for,
)


@pytest.mark.parametrize(
    ("status", "cls"),
    [
        (400, Invalid),
        (401, AuthError),
        (403, AuthError),
        (404, NotFound),
        (409, Conflict),
        (413, Invalid),
        (422, Invalid),
        (429, Busy),
        (500, ApiError),
        (502, ApiError),
        (503, Busy),
    ],
)
def test_a_status_has_its_class(status: int, cls: type[ApiError]) -> None:
    assert error_for(status) is cls
    assert issubclass(cls, DriftlineError)
