"""Which ids are known: a memory that forgets, restarts and failed inserts never lose one."""

from uuid import UUID

import pytest

from driftline.collector import known
from driftline.collector.clock import utc_now
from driftline.collector.event import Event
from driftline.collector.known import KnownIds

pytestmark = pytest.mark.parametrize(
    "clickhouse_url", ["embedded", "server"], indirect=True, scope="module"
)


@pytest.fixture
def project(uuid7):
    return uuid7()


@pytest.fixture
def store(clickhouse, project, uuid7):
    """Stores that many events and returns their ids, oldest first."""

    def stored(count=1):
        ids = sorted(UUID(uuid7()) for _ in range(count))
        rows = [Event(i, utc_now(), utc_now(), project=project).encode() for i in ids]
        clickhouse.insert_lines("events", b"\n".join(rows))
        return ids

    return stored


def test_what_an_earlier_process_stored_is_known(clickhouse, project, store, uuid7):
    ids = store(3)
    assert KnownIds(clickhouse).stored(project, {*ids, UUID(uuid7())}) == set(ids)


def test_what_the_memory_forgot_is_known(clickhouse, project, store, monkeypatch):
    monkeypatch.setattr(known, "GENERATION_IDS", 2)
    memory, ids = KnownIds(clickhouse), []
    for _ in range(6):
        new = store()
        memory.remember(project, new)
        ids += new
    assert memory.stored(project, set(ids)) == set(ids)


def test_rows_of_an_insert_that_failed_are_known(clickhouse, project, store, uuid7):
    memory = KnownIds(clickhouse)
    assert memory.stored(project, {UUID(uuid7())}) == set()
    written = store(2)
    memory.doubt(project, written)
    assert memory.stored(project, set(written)) == set(written)


def test_an_id_of_another_project_is_new(clickhouse, project, store, uuid7):
    ids = store(2)
    memory = KnownIds(clickhouse)
    memory.remember(project, ids)
    assert memory.stored(uuid7(), set(ids)) == set()
