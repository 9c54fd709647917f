"""Which event ids are stored already: in memory for the recent ones, else in ClickHouse.

When this process is the only writer (the embedded engine), an id younger than everything that was
stored before it started, and than everything that it has forgotten, is stored only if the memory
says so: ClickHouse is not asked. docs/decisions/0034 has the argument.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from .clickhouse import ClickHouse
from .event import id_time

GENERATION_IDS = 100_000  # two generations of 16-byte ids: some 20 MB
IDS_PER_QUERY = 5_000

STORED = """
SELECT DISTINCT id, sample_weight FROM events
WHERE project = {project:String} AND id_time BETWEEN {first:DateTime64(3, 'UTC')}
  AND {last:DateTime64(3, 'UTC')} AND id IN {ids:Array(UUID)}
"""
YOUNGEST = (
    "SELECT toUnixTimestamp64Milli(max(id_time)) FROM events WHERE project = {project:String}"
)


class KnownIds:
    """Answers which of some ids are stored; remembers those that it saw stored."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse
        self._young: set[tuple[str, UUID]] = set()
        self._old: set[tuple[str, UUID]] = set()
        self._sole_writer = clickhouse.embedded
        # Milliseconds of the youngest id, by project: of each generation, and of what the memory
        # may lack. An id younger than that is stored only if the memory has it.
        self._young_until: dict[str, int] = {}
        self._old_until: dict[str, int] = {}
        self._horizon: dict[str, int] = {}
        self._begun: set[str] = set()  # projects whose horizon covers what earlier processes stored

    def stored(self, project: str, ids: set[UUID]) -> set[UUID]:
        """The ids among `ids` that are stored."""
        recent = {i for i in ids if (project, i) in self._young or (project, i) in self._old}
        asked = sorted(self._uncertain(project, ids - recent), key=lambda i: i.int)
        for at in range(0, len(asked), IDS_PER_QUERY):
            recent |= self.weights(project, asked[at : at + IDS_PER_QUERY]).keys()
        return recent

    def weights(self, project: str, ids: Collection[UUID]) -> dict[UUID, float]:
        """The sample weight of each stored id, from ClickHouse."""
        if not ids:
            return {}
        first, last = min(ids, key=lambda i: i.int), max(ids, key=lambda i: i.int)
        found: list[tuple[UUID, float]] = self._clickhouse.query(
            STORED,
            project=project,
            first=id_time(first),
            last=id_time(last),
            ids=[str(i) for i in ids],
        )
        return dict(found)

    def remember(self, project: str, ids: Collection[UUID]) -> None:
        """These are stored now."""
        if len(self._young) + len(ids) > GENERATION_IDS:
            for forgotten, until in self._old_until.items():
                _raise(self._horizon, forgotten, until)
            self._old, self._young = self._young, set()
            self._old_until, self._young_until = self._young_until, {}
        if ids:
            self._young.update((project, i) for i in ids)
            _raise(self._young_until, project, _youngest(ids))

    def doubt(self, project: str, ids: Collection[UUID]) -> None:
        """An insert of these failed: some may be stored nevertheless, so they must be asked for."""
        _raise(self._horizon, project, _youngest(ids))

    def _uncertain(self, project: str, ids: set[UUID]) -> set[UUID]:
        """Those of ids unknown to the memory that ClickHouse must be asked for."""
        if not self._sole_writer or not ids:
            return ids
        if project not in self._begun:
            ((youngest,),) = self._clickhouse.query(YOUNGEST, project=project)
            _raise(self._horizon, project, youngest)
            self._begun.add(project)
        horizon = self._horizon[project]
        return {i for i in ids if i.int >> 80 <= horizon}


def _youngest(ids: Collection[UUID]) -> int:
    return max(i.int for i in ids) >> 80


def _raise(until: dict[str, int], project: str, milliseconds: int) -> None:
    until[project] = max(until.get(project, 0), milliseconds)
