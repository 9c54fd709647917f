"""`driftline export`: every event of a time range, with its scores, to one file.

The file is written beside its final name and renamed at the end, so it is whole or absent. An
interrupted export continues behind the last page that reached the disk.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from driftline.sdk.api import Api
from driftline.sdk.errors import ConfigError

from .lines import exported
from .parquet import to_parquet

PAGE_EVENTS = 200  # bodies are large: 200 of 20 kB are 4 MB


@dataclass(frozen=True, slots=True)
class Export:
    """What to write: the events with start <= time < end, to `target` (.jsonl or .parquet)."""

    target: Path
    start: str
    end: str

    @property
    def part(self) -> Path:
        return self.target.with_name(self.target.name + ".part")

    @property
    def journal(self) -> Path:
        return self.target.with_name(self.target.name + ".part.json")

    @property
    def is_parquet(self) -> bool:
        return self.target.suffix == ".parquet"


@dataclass(slots=True)
class _Place:
    """How far an export came: bytes on the disk, events in them, the page that follows."""

    size: int = 0
    events: int = 0
    cursor: str = ""
    resumed: bool = False


def check_target(target: Path) -> None:
    """Raises ConfigError unless something can be written there."""
    if target.suffix not in (".jsonl", ".parquet"):
        raise ConfigError(f"{target}: the name must end in .jsonl or .parquet")
    if not target.parent.is_dir():
        raise ConfigError(f"{target.parent} is no directory")


def run_export(api: Api, export: Export, progress: Callable[[int], None]) -> int:
    """Write the file; returns its number of events. `progress` hears how many are written."""
    place = _resume(export)
    with export.part.open("r+b" if place.resumed else "wb") as file:
        file.truncate(place.size)
        file.seek(place.size)
        for page, cursor in _pages(api, export, place.cursor):
            file.write(page.data)
            file.flush()
            os.fsync(file.fileno())
            place.size, place.events = file.tell(), place.events + page.events
            _note(export, place, cursor)
            progress(place.events)
    if export.is_parquet:
        to_parquet(export.part, export.target)
        export.part.unlink()
    else:
        export.part.replace(export.target)
    export.journal.unlink(missing_ok=True)
    return place.events


@dataclass(frozen=True, slots=True)
class _Page:
    data: bytes
    events: int


def _pages(api: Api, export: Export, cursor: str) -> Iterator[tuple[_Page, str]]:
    """Pages from the one behind `cursor` on, each with the cursor of the next."""
    while True:
        found = api.events(
            start=export.start, end=export.end, cursor=cursor, limit=PAGE_EVENTS, order="oldest"
        )
        ids = [row.id for row in found.rows]
        cursor = ids[-1] if ids else cursor
        yield _page(api, ids), cursor
        if not found.next_cursor:
            return


def _page(api: Api, ids: list[str]) -> _Page:
    if not ids:
        return _Page(b"", 0)
    scores: dict[str, list[object]] = {event_id: [] for event_id in ids}
    for score in api.scores_of(ids):
        scores[score.event_id].append(score)
    lines = [
        json.dumps(exported(event, scores[event.id]), ensure_ascii=False)  # type: ignore[arg-type]
        for event in api.event_bodies(ids)
    ]
    data = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")
    return _Page(data, len(lines))


def _resume(export: Export) -> _Place:
    """Where an interrupted export of the same range stopped; the beginning otherwise."""
    try:
        noted = json.loads(export.journal.read_text())
        same = (noted["start"], noted["end"]) == (export.start, export.end)
        if same and export.part.stat().st_size >= noted["size"]:
            return _Place(noted["size"], noted["events"], noted["cursor"], resumed=True)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return _Place()


def _note(export: Export, place: _Place, cursor: str) -> None:
    noted = {"start": export.start, "end": export.end, "cursor": cursor}
    fresh = export.journal.with_suffix(".new")
    fresh.write_text(json.dumps(noted | {"size": place.size, "events": place.events}))
    fresh.replace(export.journal)


def interrupted_range(target: Path) -> tuple[str, str] | None:
    """The range of an interrupted export to `target`: a time ago is a new time every second."""
    try:
        noted = json.loads(target.with_name(target.name + ".part.json").read_text())
        return str(noted["start"]), str(noted["end"])
    except (OSError, ValueError, KeyError):
        return None
