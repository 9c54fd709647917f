"""Which event ids are stored already: in memory for the recent ones, else in ClickHouse."""

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


class KnownIds:
    """Answers which of some ids are stored; remembers those that it saw stored."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse
        self._young: set[tuple[str, UUID]] = set()
        self._old: set[tuple[str, UUID]] = set()

    def stored(self, project: str, ids: Collection[UUID]) -> set[UUID]:
        """The ids among `ids` that are stored."""
        recent = {i for i in ids if (project, i) in self._young or (project, i) in self._old}
        asked = sorted((i for i in ids if i not in recent), key=lambda i: i.int)
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
            self._old, self._young = self._young, set()
        self._young.update((project, i) for i in ids)
