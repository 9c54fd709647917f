"""What was stored and what was not, over the whole life of a project."""

from __future__ import annotations

from dataclasses import dataclass, field

from .clickhouse import ClickHouse

ACCEPTED = """
SELECT sum(events) FROM events_minute FINAL WHERE project = {project:String}
SETTINGS do_not_merge_across_partitions_select_final = 1
"""
NOT_STORED = """
SELECT kind, reason, sum(count) FROM ingest_counts WHERE project = {project:String}
GROUP BY kind, reason ORDER BY kind, reason
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """Events stored, duplicates that were not stored again, and losses by reason."""

    accepted: int
    duplicates: int
    dropped: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)


def read(clickhouse: ClickHouse, project: str) -> Counts:
    """The counts of a project. `accepted` is counted from the events themselves."""
    ((accepted,),) = clickhouse.query(ACCEPTED, project=project)
    by_kind: dict[str, dict[str, int]] = {}
    for kind, reason, count in clickhouse.query(NOT_STORED, project=project):
        by_kind.setdefault(kind, {})[reason] = count
    duplicates = sum(by_kind.get("duplicate", {}).values())
    return Counts(accepted, duplicates, by_kind.get("dropped", {}), by_kind.get("lost", {}))
