"""The rows of a file: JSON lines, a JSON list, CSV or Parquet, plain or gzipped."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from driftline.sdk.errors import ConfigError

from .parquet import read_parquet

T = TypeVar("T")

MAX_FIELD_CHARACTERS = 1 << 26
GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Raw:
    """Row `number` (from 1): its values, or why it has none."""

    number: int
    values: dict[str, Any]
    error: str = ""


def read_rows(path: Path) -> Iterator[Raw]:
    """The rows in order. Raises ConfigError when the file as a whole cannot be read."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    try:
        if ".parquet" in suffixes:
            yield from (Raw(at, row) for at, row in enumerate(read_parquet(path), 1))
            return
        with _opened(path) as file:
            if ".csv" in suffixes or ".tsv" in suffixes:
                yield from _csv(file, "\t" if ".tsv" in suffixes else ",")
            else:
                yield from _json(file, path)
    except (OSError, EOFError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        packed = file.read(2) == GZIP
    return cast("IO[bytes]", gzip.open(path, "rb")) if packed else path.open("rb")


def _csv(file: IO[bytes], delimiter: str) -> Iterator[Raw]:
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
    reader = csv.DictReader(text, delimiter=delimiter, restkey="")
    for at, row in enumerate(_closing(reader, text), 1):
        extra = row.pop("", None)
        error = "more values than the header has names" if extra else ""
        yield Raw(
            at, {name: value for name, value in row.items() if value not in (None, "")}, error
        )


def _closing(rows: Iterable[T], file: IO[str]) -> Iterator[T]:
    with file:
        yield from rows


def _json(file: IO[bytes], path: Path) -> Iterator[Raw]:
    """Lines; or, when the file begins with a bracket, one list (or one object with a list)."""
    first = file.readline()
    if not first.strip():
        first = next((line for line in file if line.strip()), b"")
    if first.lstrip()[:1] == b"[" or not _is_object(first):
        yield from _whole(first + file.read(), path)
        return
    at = 1
    yield _row(at, first)
    for line in file:
        if line.strip():
            at += 1
            yield _row(at, line)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return b"}" in line  # a broken line of JSON lines, not the head of a document


def _row(at: int, line: bytes) -> Raw:
    try:
        value = json.loads(line)
    except ValueError as error:
        return Raw(at, {}, f"not JSON: {error}")
    return Raw(at, value) if isinstance(value, dict) else Raw(at, {}, "not a JSON object")


def _whole(data: bytes, path: Path) -> Iterator[Raw]:
    if not data.strip():
        return
    try:
        value = json.loads(data)
    except ValueError as error:
        raise ConfigError(f"{path} is neither JSON lines nor a JSON list: {error}") from error
    if isinstance(value, dict):
        lists = [v for k, v in value.items() if k in ("data", "rows", "observations", "traces")]
        value = lists[0] if lists else [value]
    for at, item in enumerate(value, 1):
        yield Raw(at, item) if isinstance(item, dict) else Raw(at, {}, "not a JSON object")
