"""What waits to be scored, found slice by slice, is what a look at every row finds."""

import random
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from driftline.collector import pending
from driftline.collector.clickhouse import encode
from driftline.collector.event import EPOCH, Event, id_time
from driftline.collector.marks import MARKER, METRIC_SET_VERSION

START_MS = 1_780_000_000_000
NOW = EPOCH + timedelta(milliseconds=START_MS, hours=3)
FRESH_FROM = NOW - timedelta(minutes=10)
LONG_AGO = EPOCH


def in_order(event_id: UUID) -> tuple[int, int]:
    """By time; of one millisecond as ClickHouse orders UUIDs, the second half first."""
    return event_id.int >> 80, (event_id.int & 2**64 - 1) << 64 | event_id.int >> 64


class World:
    """Events that arrived at some time and were marked or not, in ClickHouse and in Python."""

    def __init__(self, clickhouse, project):
        self.clickhouse, self.project = clickhouse, project
        self._rows: dict[str, list[bytes]] = {"events": [], "scores": []}
        self.arrived: dict[UUID, datetime] = {}
        self.markers: dict[UUID, list[int]] = {}

    def add(self, event_id: str, arrived: datetime) -> UUID:
        event = Event(UUID(event_id), arrived, arrived, self.project, ingested_at=arrived)
        self._rows["events"].append(event.encode())
        self.arrived[event.id] = arrived
        return event.id

    def mark(self, event_id: UUID, value: int) -> None:
        said = self.markers.setdefault(event_id, [])
        row = {"project": self.project, "event_id": event_id, "name": MARKER, "value": value}
        row |= {"source": "worker", "metric_version": METRIC_SET_VERSION, "label": "ok"}
        row["computed_at"] = NOW + timedelta(seconds=len(said))
        self._rows["scores"].append(encode(row))
        said.append(value)

    def store(self) -> None:
        for table, lines in self._rows.items():
            for part in (lines[::2], lines[1::2]):  # two parts, so that copies stay for a while
                self.clickhouse.insert_lines(table, b"\n".join(part))
            lines.clear()

    def waiting(self, since: datetime) -> list[UUID]:
        """Naively: what arrived since, and whose last marker, if any, is not 1."""
        found = [i for i, at in self.arrived.items() if at >= since]
        found = [i for i in found if self.markers.get(i, [0])[-1] != 1]
        return sorted(found, key=in_order)

    def backlog(self, since: datetime) -> list[UUID]:
        return [i for i in self.waiting(since) if id_time(i) < FRESH_FROM or i in self.markers]


@pytest.fixture
def world(clickhouse, uuid7):
    return World(clickhouse, uuid7())


@pytest.fixture(params=range(4))
def busy(request, world, uuid7, monkeypatch):
    """80 events, many of one millisecond, some scored, some scored once and pending again."""
    monkeypatch.setattr(pending, "SLICE_EVENTS", 3)
    rng = random.Random(request.param)
    for _ in range(80):
        made = START_MS + rng.choice((0, 60_000, rng.randrange(10_800_000)))
        late = timedelta(seconds=rng.choice((0, 1, rng.randrange(7200))))
        event_id = world.add(uuid7(made), EPOCH + timedelta(milliseconds=made) + late)
        if rng.random() < 0.1:
            world.add(str(event_id), world.arrived[event_id])  # a copy that is not merged yet
        for value in rng.choice(((), (1,), (1,), (1, 0), (1, 0, 1))):
            world.mark(event_id, value)
    world.store()
    return world


@pytest.mark.parametrize("limit", [1, 7, 200])
def test_the_oldest_are_those_that_a_look_at_every_row_finds(busy, limit):
    for since in (LONG_AGO, NOW - timedelta(hours=2), NOW):
        expected = busy.backlog(since)
        held = expected[1:3]
        args = (busy.clickhouse, busy.project, since, FRESH_FROM)
        assert pending.oldest(*args, [], limit) == expected[:limit]
        left = [i for i in expected if i not in held]
        assert pending.oldest(*args, held, limit) == left[:limit]


def test_the_watermark_stops_at_the_first_arrival_that_is_pending(busy):
    args = (busy.clickhouse, busy.project)
    first = min(busy.arrived[i] for i in busy.waiting(LONG_AGO))
    assert pending.scored_until(*args, LONG_AGO, NOW, 60.0) == first
    for event_id in busy.waiting(LONG_AGO):
        busy.mark(event_id, 1)
    busy.store()
    assert pending.scored_until(*args, LONG_AGO, NOW, 60.0) == NOW
    assert pending.scored_until(*args, NOW, NOW, 60.0) == NOW
    assert pending.scored_until(*args, NOW, LONG_AGO, 60.0) == NOW


def test_a_look_that_ends_early_is_never_beyond_what_is_pending(busy):
    """Told to stop at once it moves a little or not at all, and the next look goes on."""
    first = min(busy.arrived[i] for i in busy.waiting(LONG_AGO))
    reached = NOW - timedelta(days=400)
    for _ in range(200):
        after = pending.scored_until(busy.clickhouse, busy.project, reached, NOW, 0.0)
        assert reached <= after <= first
        reached = after
    assert reached == first


def test_where_very_much_arrived_each_project_with_anything_is_tried(busy, monkeypatch):
    since = {busy.project: LONG_AGO, "nobody": LONG_AGO}
    assert pending.having_pending(busy.clickhouse, since) == {busy.project}
    for event_id in busy.waiting(LONG_AGO):
        busy.mark(event_id, 1)
    busy.store()
    assert pending.having_pending(busy.clickhouse, since) == set()
    monkeypatch.setattr(pending, "MANY_EVENTS", 10)
    assert pending.having_pending(busy.clickhouse, since) == {busy.project}
    assert pending.having_pending(busy.clickhouse, {busy.project: NOW}) == set()
