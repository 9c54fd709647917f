"""What one request asks to be stored, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from .event import Drop, ScoreFact


@dataclass(frozen=True, slots=True)
class EventLine:
    """An event, encoded as the row that ClickHouse reads, and the line it came in."""

    line: int
    id: UUID
    row: bytes
    sample_weight: float


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """A score and the line it came in."""

    line: int
    score: ScoreFact


@dataclass(frozen=True, slots=True)
class Batch:
    """The storable part of one request. `dropped` and `lost` count by reason."""

    project: str
    events: tuple[EventLine, ...] = ()
    scores: tuple[ScoreLine, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    lost: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many rows it holds, at least 1."""
        return max(1, len(self.events) + len(self.scores))

    @property
    def size(self) -> int:
        """Its size in bytes, roughly."""
        return sum(len(event.row) for event in self.events) + 200 * self.rows


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that the database itself refused."""

    line: int
    drop: Drop


@dataclass(slots=True)
class Outcome:
    """What became of a batch."""

    accepted: int = 0
    duplicates: int = 0
    refused: list[Refusal] = field(default_factory=list)
