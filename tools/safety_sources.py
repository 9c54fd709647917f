"""Texts that benchmarks/safety.py reads from a folder of public data sets."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Sequence
from pathlib import Path

SEED = 20261
ANSWER = "chatgpt_response"


def in_the_wild(data: Path) -> list[str]:
    found = json.loads(_read(data / "jailbreak/inthewild_jailbreak_llms.json.gz"))
    return [str(text) for text in found]


def banking(data: Path, part: str) -> list[str]:
    rows = csv.DictReader(io.StringIO(_read(data / f"banking77/{part}.csv.gz")))
    return [row["text"] for row in rows]


def halueval(data: Path, field: str) -> list[str]:
    lines = _lines(data / "halueval/general_data.json.gz")
    return [str(json.loads(line)[field]) for line in lines]


def ragtruth(data: Path, field: str, split: str = "train") -> list[str]:
    """Questions and answers of RAGTruth; its passages and prompts are for measuring only."""
    lines = _lines(data / "ragtruth_qa/ragtruth_qa.jsonl.gz")
    rows = [json.loads(line) for line in lines]
    found = [str(row[field]) for row in rows if row["split"] == split]
    return sorted(set(found), key=found.index)


def mail(data: Path, group: str) -> list[str]:
    """Bodies of the groups whose name begins with `group`: easy-ham, hard-ham, spam."""
    rows = [json.loads(line) for line in _lines(data / "mail/spamassassin.jsonl.gz")]
    return [row["body"] for row in rows if row["group"].startswith(group) and row["body"].strip()]


def arena(data: Path) -> list[str]:
    lines = _lines(data / "arena/question.jsonl.gz")
    return [str(json.loads(line)["prompt"]) for line in lines]


def some(texts: Sequence[str], count: int) -> list[str]:
    """`count` of them at random, the same every time, in their order."""
    chosen = sorted(random.Random(SEED).sample(range(len(texts)), min(count, len(texts))))
    return [texts[index] for index in chosen]


def _lines(path: Path) -> list[str]:
    """Its lines, cut at line feeds only: a JSON string may hold other line ends."""
    return [line for line in _read(path).split("\n") if line]


def _read(path: Path) -> str:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return file.read()
