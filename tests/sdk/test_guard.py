"""Errors of our own: raised under test, swallowed in production."""

from collections.abc import Callable

import pytest

from driftline.sdk import guard


@pytest.mark.parametrize("text", ["1", "true", "YES", "on"])
def test_yes_has_many_names(text: str) -> None:
    assert guard.truth(text)


@pytest.mark.parametrize("text", ["", "0", "false", "No", " off "])
def test_so_has_no(text: str) -> None:
    assert not guard.truth(text)


def test_an_error_is_raised_under_test() -> None:
    with pytest.raises(KeyError):
        guard.swallow(KeyError("x"), "here")


def test_in_production_its_type_is_logged_once_and_never_its_text(
    leave_pytest: Callable[[], None],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leave_pytest()
    monkeypatch.setattr(guard, "_said", set())
    for _ in range(3):
        guard.swallow(KeyError("a prompt"), "here")
    assert len(caplog.records) == 1
    assert "KeyError" in caplog.text and "a prompt" not in caplog.text
