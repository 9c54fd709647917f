"""Rows of a dataset, and the JSON lines they are stored as."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Row:
    """One example. `group` is the hash of the normalised question: it never crosses splits.

    `prompt` is rendered up to where the model begins to speak; `completion` ends with EOS.
    """

    event_id: str
    group: str
    question: str
    prompt: str
    completion: str


def dumps(rows: Iterable[Row]) -> bytes:
    """The rows as JSON lines, byte for byte the same for the same rows."""
    lines = (json.dumps(asdict(row), ensure_ascii=False, sort_keys=True) for row in rows)
    return "".join(line + "\n" for line in lines).encode("utf-8", "surrogatepass")


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    path.write_bytes(dumps(rows))


def read_rows(path: Path) -> list[Row]:
    text = path.read_bytes().decode("utf-8", "surrogatepass")
    return [Row(**json.loads(line)) for line in text.split("\n") if line]


def dataset_sha256(splits: dict[Split, list[Row]]) -> str:
    """One hash over all splits, in the order of SPLITS."""
    digest = hashlib.sha256()
    for split in SPLITS:
        digest.update(split.encode() + b"\n" + dumps(splits[split]))
    return digest.hexdigest()
