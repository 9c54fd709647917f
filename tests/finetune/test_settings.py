"""The trainer's command line."""

from pathlib import Path

import pytest

from driftline.finetune.settings import parse
from driftline.sdk.errors import ConfigError


def test_flags_win_over_the_environment() -> None:
    environ = {"DRIFTLINE_URL": "http://a:1", "DRIFTLINE_API_KEY": "k", "DRIFTLINE_HOME": "/data"}
    settings = parse(["--url", "http://b:2", "--threads", "3"], environ)
    assert (settings.url, settings.key, settings.threads) == ("http://b:2", "k", 3)
    assert settings.jobs == Path("/data/jobs") and settings.registry == Path("/data/registry")


def test_the_registry_can_lie_elsewhere() -> None:
    environ = {"DRIFTLINE_API_KEY": "k", "DRIFTLINE_REGISTRY": "/models"}
    assert parse([], environ).registry == Path("/models")


def test_a_missing_key_is_named_with_how_to_make_one() -> None:
    with pytest.raises(ConfigError, match="DRIFTLINE_API_KEY"):
        parse([], {})


def test_help_explains_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--help"], {})
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "--once" in shown and "docs/finetune.md" in shown
