"""Settings: read once from the environment, and unsafe ones refused."""

from pathlib import Path

import pytest

from driftline.collector.errors import ConfigError
from driftline.collector.settings import Settings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in ("HOST", "PORT", "HOME", "CLICKHOUSE_URL", "DATABASE_URL", "ADMIN_KEY"):
        monkeypatch.delenv(f"DRIFTLINE_{name}", raising=False)


def test_the_defaults_are_embedded_databases_on_this_host(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = Settings.read()
    assert (settings.host, settings.port) == ("127.0.0.1", 8400)
    assert settings.clickhouse_url == f"chdb://{tmp_path}/.driftline/clickhouse"
    assert settings.database_url == f"sqlite:///{tmp_path}/.driftline/control.db"


def test_the_databases_follow_the_home(monkeypatch):
    monkeypatch.setenv("DRIFTLINE_HOME", "/data")
    settings = Settings.read()
    assert settings.home == Path("/data")
    assert settings.clickhouse_url == "chdb:///data/clickhouse"


def test_allowed_networks_are_a_list_with_commas(monkeypatch):
    monkeypatch.setenv("DRIFTLINE_WEBHOOK_ALLOW", "10.0.0.0/8, 127.0.0.1/32,")
    assert Settings.read().webhook_allow == ("10.0.0.0/8", "127.0.0.1/32")


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "eighty"), ("PORT", "70000"), ("WEBHOOK_ALLOW", "everyone"), ("QUEUE_ROWS", "0")],
)
def test_a_wrong_setting_is_named_without_its_value(monkeypatch, name, value):
    monkeypatch.setenv(f"DRIFTLINE_{name}", value)
    with pytest.raises(ConfigError, match=f"DRIFTLINE_{name}"):
        Settings.read()


def test_a_short_admin_key_is_refused_when_others_can_connect(monkeypatch):
    monkeypatch.setenv("DRIFTLINE_ADMIN_KEY", "hunter2")
    Settings.read()
    monkeypatch.setenv("DRIFTLINE_HOST", "0.0.0.0")
    with pytest.raises(ConfigError, match="DRIFTLINE_ADMIN_KEY") as refused:
        Settings.read()
    assert "hunter2" not in str(refused.value)


def test_webhooks_to_everywhere_are_refused_when_others_can_connect(monkeypatch):
    monkeypatch.setenv("DRIFTLINE_WEBHOOK_ALLOW", "0.0.0.0/0")
    Settings.read()
    monkeypatch.setenv("DRIFTLINE_HOST", "0.0.0.0")
    with pytest.raises(ConfigError, match="DRIFTLINE_WEBHOOK_ALLOW"):
        Settings.read()


def test_secrets_are_not_shown():
    settings = Settings(admin_key="hunter2", clickhouse_url="clickhouse://u:hunter2@h/d")
    assert "hunter2" not in repr(settings)
