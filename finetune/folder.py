"""The directory of one job: what its stages found, so that a killed job goes on where it was.

until.json  dataset.json  train.jsonl  validation.jsonl  test.jsonl  pilot.json
checkpoint.safetensors  judgement.json
"""

from __future__ import annotations

import dataclasses
import json
import os
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from driftline.sdk.records import DatasetReport, decode_record

from .dataset import Dataset
from .errors import FinetuneError
from .rows import SPLITS, dataset_sha256, read_rows, write_rows

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Until:
    """The end of the traffic that the job considers."""

    time: str


@dataclass(frozen=True, slots=True)
class Facts:
    """A dataset without its rows."""

    report: DatasetReport
    trimmed: int
    unscored_without_context: int


class JobFolder:
    """<jobs>/<job id>/, made when missing."""

    def __init__(self, jobs: Path, job_id: str) -> None:
        self.path = jobs / urllib.parse.quote(job_id, safe="").replace(".", "%2E")
        self.path.mkdir(parents=True, exist_ok=True)

    def until(self, now: Callable[[], str]) -> str:
        """The time of the job's first start."""
        found = self.read(Until)
        if found is None:
            found = Until(now())
            self.write(found)
        return found.time

    def keep(self, data: Dataset) -> None:
        """Rows first, facts last: facts mean that the rows are complete."""
        for split in SPLITS:
            write_rows(self.path / f"{split}.jsonl", data.splits[split])
        self._write("dataset", Facts(data.report, data.trimmed, data.unscored_without_context))

    def dataset(self) -> Dataset | None:
        facts = self._read("dataset", Facts)
        if facts is None:
            return None
        splits = {split: read_rows(self.path / f"{split}.jsonl") for split in SPLITS}
        if dataset_sha256(splits) != facts.report.sha256:
            raise FinetuneError(
                f"the dataset in {self.path} was changed; cancel and make a new job"
            )
        return Dataset(splits, facts.report, facts.trimmed, facts.unscored_without_context)

    def write(self, record: object) -> None:
        """Keep a dataclass under the name of its class."""
        self._write(type(record).__name__.lower(), record)

    def read(self, kind: type[T]) -> T | None:
        return self._read(kind.__name__.lower(), kind)

    def _write(self, name: str, record: object) -> None:
        assert dataclasses.is_dataclass(record) and not isinstance(record, type)
        temporary = self.path / f".{name}.{os.getpid()}"
        temporary.write_text(json.dumps(dataclasses.asdict(record), indent=2), "utf-8")
        temporary.replace(self.path / f"{name}.json")

    def _read(self, name: str, kind: type[T]) -> T | None:
        path = self.path / f"{name}.json"
        return decode_record(kind, json.loads(path.read_text("utf-8"))) if path.exists() else None
