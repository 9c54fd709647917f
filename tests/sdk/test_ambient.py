"""`driftline.init` and the environment."""

import logging
from typing import Any

import pytest

import driftline
from driftline.sdk import guard
from driftline.sdk.errors import ConfigError
from driftline.sdk.testing import MemoryTransport


def test_the_environment_sets_everything_up(sink: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_URL", sink.url + "/")
    monkeypatch.setenv("DRIFTLINE_API_KEY", "sk-dl-1-x")
    monkeypatch.setenv("DRIFTLINE_PROJECT", "shop")
    monkeypatch.setenv("DRIFTLINE_ENVIRONMENT", "staging")
    monkeypatch.setenv("DRIFTLINE_RELEASE", "v7")
    driftline.log(input="q")  # no init
    assert driftline.flush()
    (headers, (event,)), *_ = sink.requests
    assert headers["Driftline-Project"] == "shop"
    assert (event["environment"], event["release"]) == ("staging", "v7")
    assert driftline.stats().accepted == 1


def test_arguments_win_over_the_environment(sink: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_URL", "http://nowhere.invalid")
    monkeypatch.setenv("DRIFTLINE_SAMPLE_RATE", "0")
    client = driftline.init(url=sink.url, api_key="k", sample_rate=1, environment="here")
    driftline.log(input="q")
    assert driftline.flush()
    assert sink.events[0]["environment"] == "here"
    assert client.settings.sample_rate == 1


def test_without_a_collector_it_is_off_with_one_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_said", set())

    @driftline.observe
    def double(x: int) -> int:
        return 2 * x

    assert [double(2), double(3)] == [4, 6]
    with driftline.span("s") as span:
        span.set(output="x")
        driftline.score("y", 1)
    assert driftline.log(input="q")
    assert driftline.flush(0)
    assert driftline.stats() == driftline.Stats(0, 0, 0, {})
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "DRIFTLINE_URL" in caplog.text


def test_a_url_without_a_key_is_off_and_says_so(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_said", set())
    assert not driftline.init(url="http://127.0.0.1:1").on
    assert "DRIFTLINE_API_KEY" in caplog.text


def test_disabled_is_off_without_a_word(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_ENABLED", "0")
    memory = MemoryTransport()
    driftline.init(transport=memory)
    driftline.log(input="q")
    assert driftline.flush() and memory.calls == [] and caplog.records == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DRIFTLINE_URL", "localhost:8400"),
        ("DRIFTLINE_URL", "http://[::1"),
        ("DRIFTLINE_URL", "http://host:99999"),
        ("DRIFTLINE_SAMPLE_RATE", "a lot"),
        ("DRIFTLINE_SAMPLE_RATE", "1.5"),
        ("DRIFTLINE_SAMPLE_RATE", "nan"),
        ("DRIFTLINE_MAX_QUEUE", "0"),
        ("DRIFTLINE_FLUSH_SECONDS", "-1"),
    ],
)
def test_a_wrong_setting_is_named_under_test_and_switches_off_in_production(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=name):
        driftline.init()
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    assert not driftline.init().on
    assert name in caplog.text


def test_debug_raises_internal_errors_outside_of_tests_too(
    memory: MemoryTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    monkeypatch.setenv("DRIFTLINE_DEBUG", "1")
    with pytest.raises(ValueError, match="UUIDv7"):
        driftline.log(id="x")


def test_a_second_init_delivers_what_the_first_client_had() -> None:
    first, second = MemoryTransport(), MemoryTransport()
    driftline.init(transport=first, flush_seconds=60)
    driftline.log(input="one")
    driftline.init(transport=second)
    driftline.log(input="two")
    assert driftline.flush()
    assert [event["input"] for event in first.events] == ["one"]
    assert [event["input"] for event in second.events] == ["two"]


def test_the_key_is_not_in_the_settings_repr() -> None:
    client = driftline.init(url="http://127.0.0.1:1", api_key="sk-dl-secret")
    assert "secret" not in repr(client.settings)
