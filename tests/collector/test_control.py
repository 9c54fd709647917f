"""The control database: one transaction a session, writers in line, readers beside them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, select, text

from driftline.collector.clock import utc_now
from driftline.collector.control import Control
from driftline.collector.errors import StoreError, StoreUnreachable
from driftline.collector.ids import new_id
from driftline.collector.tables import ProjectRow, Table


def project(name):
    return ProjectRow(
        id=new_id("prj"), name=name, created_at=utc_now(), monitor={}, scored_through=None
    )


def names(control):
    with control.reading() as session:
        return sorted(session.scalars(select(ProjectRow.name)))


@pytest.fixture
def control(tmp_path):
    opened = Control.open(f"sqlite:///{tmp_path}/home/control.db")
    opened.migrate()
    yield opened
    opened.close()


def test_upgrading_an_empty_database_makes_exactly_the_models_tables(control):
    with control.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Table.metadata) == []


def test_migrating_again_changes_nothing(control):
    before = sorted(inspect(control.engine).get_table_names())
    control.migrate()
    assert sorted(inspect(control.engine).get_table_names()) == before


def test_migrating_adds_what_is_new_and_keeps_the_rows(tmp_path):
    control = Control.open(f"sqlite:///{tmp_path}/control.db")
    control.migrate(to="0001")
    first = "INSERT INTO projects (id, name, created_at, monitor, reference_id)"
    with control.session() as session:  # as the code of that revision wrote it
        session.execute(text(f"{first} VALUES ('prj_1', 'old', '2026-01-01', '{{}}', '')"))
    control.migrate()
    assert names(control) == ["old"]
    control.close()


def test_a_session_is_rolled_back_when_its_block_raises(control):
    with pytest.raises(ZeroDivisionError), control.session() as session:
        session.add(project("never"))
        session.flush()
        raise ZeroDivisionError
    assert names(control) == []


def test_a_committed_row_is_there_after_opening_again(control, tmp_path):
    with control.session() as session:
        session.add(project("shop"))
    control.close()
    again = Control.open(f"sqlite:///{tmp_path}/home/control.db")
    assert names(again) == ["shop"]
    again.close()


def test_times_come_back_as_the_same_instant_in_utc(control):
    now = utc_now()
    with control.session() as session:
        row = project("shop")
        row.created_at = now
        session.add(row)
    with control.reading() as session:
        found = session.scalars(select(ProjectRow)).one()
        assert (found.created_at, found.created_at.utcoffset().seconds) == (now, 0)


def test_threads_that_read_and_then_write_take_turns_and_lose_no_update(control):
    with control.session() as session:
        session.add(project("counter"))

    def add_one(_):
        with control.session() as session:
            row = session.scalars(select(ProjectRow)).one()
            row.monitor = {"n": row.monitor.get("n", 0) + 1}

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add_one, range(40)))
    with control.reading() as session:
        assert session.scalars(select(ProjectRow)).one().monitor == {"n": 40}


def test_a_reader_does_not_wait_for_a_writer_and_sees_what_was_committed(control):
    with control.session() as session:
        session.add(project("before"))
    with control.session() as writer:
        writer.add(project("during"))
        writer.flush()
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(names, control).result(timeout=10) == ["before"]
    assert names(control) == ["before", "during"]


def test_a_database_that_is_locked_for_too_long_is_unreachable_not_a_crash(tmp_path):
    control = Control.open(f"sqlite:///{tmp_path}/control.db", busy_seconds=0.05)
    control.migrate()
    held, release = threading.Event(), threading.Event()

    def hold():
        with control.session() as session:
            session.add(project("mine"))
            session.flush()
            held.set()
            release.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(30)
    try:
        with pytest.raises(StoreUnreachable, match="locked"), control.session() as session:
            session.add(project("yours"))
    finally:
        release.set()
        thread.join()
        control.close()


def test_it_says_which_revision_is_missing_and_whether_it_answers(tmp_path):
    control = Control.open(f"sqlite:///{tmp_path}/control.db")
    assert control.behind()
    control.migrate()
    assert control.behind() == ""
    control.close()
    nowhere = Control.open(f"sqlite:///{tmp_path}")
    with pytest.raises(StoreUnreachable):
        nowhere.behind()
    nowhere.close()


@pytest.mark.parametrize("url", ["not a url", "mysterydb://host/db"])
def test_a_url_that_cannot_be_used_names_the_variable_to_change(url):
    with pytest.raises(StoreError, match="DRIFTLINE_DATABASE_URL"):
        Control.open(url)
