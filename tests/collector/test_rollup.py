"""The minute rollup: always what the events say, whatever happened."""

from uuid import UUID

import pytest

from driftline.collector.batch import EventLine
from driftline.collector.clock import utc_now
from driftline.collector.event import Event
from driftline.collector.rollup import DIFFERENT, Rollup

pytestmark = pytest.mark.parametrize(
    "clickhouse_url", ["embedded", "server"], indirect=True, scope="module"
)
START = 1_790_000_040_000
MINUTE = 60_000


@pytest.fixture
def project(uuid7):
    return uuid7()


@pytest.fixture
def insert(clickhouse, uuid7, project):
    def insert(*offsets, **fields):
        events = [
            Event(UUID(uuid7(START + at)), utc_now(), utc_now(), project=project, **fields)
            for at in offsets
        ]
        lines = [EventLine(1, event.id, event.encode(), 1.0) for event in events]
        clickhouse.insert_lines("events", b"\n".join(line.row for line in lines))
        return lines

    return insert


def minutes(clickhouse, project):
    return clickhouse.query(
        "SELECT toUnixTimestamp(minute) * 1000 - {start:UInt64}, model, sum(events), sum(cost) "
        "FROM events_minute FINAL WHERE project = {project:String} "
        "GROUP BY minute, model ORDER BY minute, model",
        start=START,
        project=project,
    )


def test_minutes_are_counted_by_dimension(clickhouse, insert, project):
    rollup = Rollup(clickhouse, utc_now, 2.0)
    rollup.stored(project, insert(0, MINUTE - 1, model="a", cost=0.5))
    rollup.stored(project, insert(0, MINUTE, model="b"))
    rollup.flush()
    expected = [(0, "a", 2, 1.0), (0, "b", 1, 0.0), (MINUTE, "b", 1, 0.0)]
    assert minutes(clickhouse, project) == expected


def test_computing_again_changes_nothing_and_late_events_are_added(clickhouse, insert, project):
    rollup = Rollup(clickhouse, utc_now, 2.0)
    lines = insert(0, 1)
    for _ in range(3):
        rollup.stored(project, lines)
        rollup.flush()
    assert minutes(clickhouse, project) == [(0, "", 2, 0.0)]
    rollup.stored(project, insert(2))
    rollup.flush()
    assert minutes(clickhouse, project) == [(0, "", 3, 0.0)]


def test_copies_of_a_row_count_once(clickhouse, insert, project):
    rollup = Rollup(clickhouse, utc_now, 2.0)
    (line,) = insert(0, cost=1.0)
    clickhouse.insert_lines("events", line.row)
    rollup.stored(project, [line])
    rollup.flush()
    assert minutes(clickhouse, project) == [(0, "", 1, 1.0)]


def test_minutes_that_a_crash_left_behind_are_found_at_the_next_start(
    clickhouse, insert, project, eventually
):
    insert(0, 5 * MINUTE)
    rollup = Rollup(clickhouse, utc_now, 60.0)
    rollup.start()
    eventually(lambda: len(minutes(clickhouse, project)) == 2)
    rollup.close()
    assert project not in {found for found, _ in clickhouse.query(DIFFERENT)}


def test_a_close_computes_what_is_dirty(clickhouse, insert, project):
    rollup = Rollup(clickhouse, utc_now, 60.0)
    rollup.stored(project, insert(0))
    rollup.close()
    assert minutes(clickhouse, project) == [(0, "", 1, 0.0)]
