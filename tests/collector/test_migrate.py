"""Migrations of ClickHouse: in order, once, resumable, the same on a cluster."""

import pytest

from driftline.collector import migrate
from driftline.collector.clock import utc_now
from driftline.collector.ddl import statements
from driftline.collector.errors import StoreError
from driftline.collector.migrate import Migration, migrate_clickhouse, migrations, pending_changes
from driftline.collector.settings import Settings

NAMES = [migration.name for migration in migrations()]
on_both = pytest.mark.parametrize(
    "clickhouse_url", ["embedded", "server"], indirect=True, scope="module"
)


def test_they_are_numbered_without_a_gap():
    assert [migration.version for migration in migrations()] == list(range(1, len(NAMES) + 1))


@on_both
def test_a_second_run_does_nothing(clickhouse):
    assert migrate_clickhouse(clickhouse, utc_now) == []
    assert pending_changes(clickhouse) == []


@on_both
def test_one_that_was_cut_short_is_run_again(clickhouse):
    clickhouse.command(
        "DELETE FROM schema_migrations WHERE version >= {v:UInt32} "
        "SETTINGS lightweight_deletes_sync = 2",
        v=4,
    )
    clickhouse.command("DROP TABLE drift SYNC")
    assert migrate_clickhouse(clickhouse, utc_now) == NAMES[3:]
    assert clickhouse.query("SELECT count() FROM drift") == [(0,)]


@on_both
def test_an_applied_file_must_not_change(clickhouse, monkeypatch):
    changed = [Migration(1, "0001_events.sql", "SELECT 1"), *migrations()[1:]]
    monkeypatch.setattr(migrate, "migrations", lambda: changed)
    with pytest.raises(StoreError, match="new migration"):
        pending_changes(clickhouse)


@on_both
@pytest.mark.parametrize("cluster", ["", "main"])
@pytest.mark.parametrize("migration", migrations(), ids=NAMES)
def test_every_statement_parses_on_one_host_and_on_a_cluster(clickhouse, migration, cluster):
    for statement in statements(migration.sql, cluster):
        assert clickhouse.query(f"EXPLAIN AST {statement}")


@pytest.mark.parametrize("migration", migrations(), ids=NAMES)
def test_a_cluster_has_replicated_tables_behind_distributed_ones(migration):
    local, distributed = statements(migration.sql, "main")
    assert "ON CLUSTER 'main'" in local
    assert "Engine = Replicated".lower() in local.lower()
    assert "ENGINE = Distributed('main'" in distributed
    (single,) = statements(migration.sql, "")
    assert "Replicated" not in single
    assert "CLUSTER" not in single


def test_both_databases_of_the_settings_are_migrated(tmp_path):
    settings = Settings(home=tmp_path / "home")
    assert migrate.migrate(settings) == NAMES
    assert migrate.migrate(settings) == []
    assert (tmp_path / "home" / "control.db").exists()
