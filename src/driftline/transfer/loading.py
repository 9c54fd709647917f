"""`driftline import`: rows to lines, lines to the collector, what it refuses to a file.

Ids are made of the rows, so an import that is run again adds nothing; a journal only spares it the
rows that were taken already.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from driftline.sdk.api import Api
from driftline.sdk.errors import ApiError, ConfigError
from driftline.sdk.records import IngestResult

from .formats import ALIASES, Source, converted, detect
from .lines import Line
from .reading import Raw, read_rows
from .values import BadRow

BATCH_ROWS = 500
BATCH_BYTES = 4 << 20
TOO_FAST = 429


class Stopped(Exception):
    """Somebody asked to stop; the same command continues."""


@dataclass(frozen=True, slots=True)
class Import:
    """What to read. `format` "" is told by the first row; `columns` maps our fields to columns."""

    path: Path
    format: str
    columns: dict[str, str]
    rejects: Path
    journal: Path


@dataclass(slots=True)
class Report:
    """What became of the rows so far."""

    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    format: str = ""


@dataclass(slots=True)
class _Batch:
    lines: list[Line] = field(default_factory=list)
    rows: list[Raw] = field(default_factory=list)  # the row of each line
    size: int = 0

    @property
    def full(self) -> bool:
        return len(self.lines) >= BATCH_ROWS or self.size >= BATCH_BYTES


def journal_path(folder: Path, path: Path, project: str) -> Path:
    """Where an import of this file, as it is now, into this project is noted."""
    facts = path.stat()
    key = f"{path.absolute()}\0{facts.st_size}\0{facts.st_mtime_ns}\0{project}"
    return folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"


def run_import(
    api: Api, wanted: Import, progress: Callable[[Report], None], stop: threading.Event
) -> Report:
    """Send every row; returns the counts. Raises Stopped, ConfigError, ApiError."""
    report, rejects = _resume(wanted)
    rows = read_rows(wanted.path)
    batch = _Batch()
    source = Source(wanted.path.name, wanted.path.stat().st_mtime_ns // 1000, wanted.columns)
    skipped = report.rows
    with rejects:
        for raw in rows:
            if not report.format and not raw.error:
                report.format = detect(raw.values)
            if raw.number <= skipped:
                continue
            _take(raw, source, batch, rejects, report)
            report.rows = raw.number
            if batch.full:
                _send(api, batch, rejects, report, stop)
                _note(wanted, report)
                progress(report)
                batch = _Batch()
                if stop.is_set():
                    raise Stopped
        _send(api, batch, rejects, report, stop)
    progress(report)
    wanted.journal.unlink(missing_ok=True)
    return report


def _take(raw: Raw, source: Source, batch: _Batch, rejects: _Rejects, report: Report) -> None:
    if raw.error:
        _reject(rejects, report, raw, "invalid_row", "", raw.error)
        return
    try:
        made = converted(report.format, raw.values, source, raw.number)
    except BadRow as error:
        _reject(rejects, report, raw, "invalid_field", error.field, error.message)
        return
    for line in made:
        batch.lines.append(line)
        batch.rows.append(raw)
        batch.size += len(json.dumps(line, default=str))


def _sent(api: Api, lines: list[dict[str, Any]], stop: threading.Event) -> IngestResult:
    """Wait as long as the collector asks a project that sends too fast to wait."""
    while True:
        try:
            return api.send_lines(lines)
        except ApiError as error:
            if error.status != TOO_FAST:
                raise
            if stop.wait(error.retry_after_seconds or 1.0):
                raise Stopped from error


def _send(
    api: Api, batch: _Batch, rejects: _Rejects, report: Report, stop: threading.Event
) -> None:
    if not batch.lines:
        return
    result = _sent(api, batch.lines, stop)
    report.accepted += result.accepted
    report.duplicates += result.duplicates
    for problem in result.rejected:
        raw = batch.rows[problem.line - 1]
        _reject(rejects, report, raw, problem.reason, problem.field, problem.message)


def _reject(
    rejects: _Rejects, report: Report, raw: Raw, reason: str, field: str, message: str
) -> None:
    report.rejected += 1
    why = {"row": raw.number, "reason": reason, "field": field, "message": message}
    rejects.write(why | {"values": raw.values})


class _Rejects:
    """The file of refused rows; made when the first comes."""

    def __init__(self, path: Path, keep: bool) -> None:
        self._path = path
        self._mode = "a" if keep else "w"
        self._file: Any = None
        if not keep:
            path.unlink(missing_ok=True)

    def __enter__(self) -> _Rejects:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, row: dict[str, Any]) -> None:
        if self._file is None:
            self._file = self._path.open(self._mode, encoding="utf-8", errors="replace")
        print(json.dumps(row, ensure_ascii=False, default=str), file=self._file, flush=True)


def _resume(wanted: Import) -> tuple[Report, _Rejects]:
    try:
        noted = json.loads(wanted.journal.read_text())
        return Report(**noted), _Rejects(wanted.rejects, keep=True)
    except (OSError, ValueError, TypeError):
        return Report(format=wanted.format), _Rejects(wanted.rejects, keep=False)


def _note(wanted: Import, report: Report) -> None:
    wanted.journal.parent.mkdir(parents=True, exist_ok=True)
    fresh = wanted.journal.with_suffix(".new")
    noted = {name: getattr(report, name) for name in Report.__dataclass_fields__}
    fresh.write_text(json.dumps(noted))
    fresh.replace(wanted.journal)


def count_rows(path: Path) -> int:
    """How many rows there are, for a progress bar."""
    return sum(1 for _ in read_rows(path))


def check_source(path: Path, columns: Iterable[str]) -> dict[str, str]:
    """`field=column` pairs as a map. Raises ConfigError for a missing file or an unknown field."""
    if not path.is_file():
        raise ConfigError(f"{path} is no file")
    found: dict[str, str] = {}
    for pair in columns:
        name, equal, column = pair.partition("=")
        if not equal or name not in ALIASES:
            known = ", ".join(sorted(ALIASES))
            raise ConfigError(f"--map {pair!r}: give FIELD=COLUMN with a field of: {known}")
        found[name] = column
    return found
