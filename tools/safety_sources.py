"""The labelled texts behind the safety classifiers, and how they are divided.

Rows of one task are linked when they share many word 4-grams (containment of the shorter text in
the longer); whatever is linked, directly or through others, goes into one part, so that no test row
is a variation of a training row. The largest family of linked rows is always trained on.
"""

from __future__ import annotations

import csv
import gzip
import html
import io
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

SEED = 20261
SHINGLE_WORDS = 4
LINKED_SHARE = 0.3  # of the shorter text's shingles
COMMON_SHINGLE = 400  # texts; a shingle of more is phrase, not kinship
VALIDATION_SHARE = TEST_SHARE = 0.2

TWEETS, SPAM, WRITTEN = "davidson", "mail spam", "written"
NOT_EVERYDAY = (TWEETS, SPAM, WRITTEN)  # their harmless texts are not what an application sees

Part = Literal["train", "validation", "test"]


@dataclass(frozen=True, slots=True)
class Row:
    """A text, what it is (1: attack or toxic), where it is from, and a finer kind."""

    text: str
    label: int
    source: str
    kind: str = ""


# ------------------------------------------------------------------------------ the jailbreak task


def jailbreak_rows(data: Path) -> list[Row]:
    """Attacks, and harmless texts of many kinds. All may be shipped."""
    rows = [Row(text, 1, "in-the-wild") for text in in_the_wild(data)]
    rows += prompt_injections(data)
    rows += harmless("clinc150", some(clinc(data, "train"), 3000))
    rows += harmless("banking77", some(banking(data, "train"), 1500))
    rows += harmless("halueval prompts", halueval(data, "user_query"))
    rows += harmless("halueval answers", halueval(data, ANSWER))
    rows += harmless("ragtruth answers", some(ragtruth(data, "response"), 2000))
    rows += harmless("ragtruth questions", ragtruth(data, "question"))
    rows += harmless("mail", some(mail(data, "easy-ham"), 3000))
    rows += harmless("begin", some(begin(data), 2500))
    rows += harmless("invented data", some(invented_data(data), 1000))
    rows += harmless(SPAM, some(mail(data, "spam"), 1500))
    rows += harmless(TWEETS, some([row.text for row in davidson(data)], 2500))
    return different(rows)


def prompt_injections(data: Path) -> list[Row]:
    rows = json.loads(_read(data / "jailbreak/purplellama_prompt_injection.json.gz"))
    return [
        Row(
            row["user_input"],
            1,
            "purplellama",
            f"{row['injection_type']} {row['injection_variant']}",
        )
        for row in rows
    ]


def in_the_wild(data: Path) -> list[str]:
    found = json.loads(_read(data / "jailbreak/inthewild_jailbreak_llms.json.gz"))
    return [str(text) for text in found]


def do_not_answer(data: Path) -> list[str]:
    paths = sorted((data / "jailbreak").glob("donotanswer_*.jsonl.gz"))
    return [str(json.loads(line)["prompt"]) for path in paths for line in _lines(path)]


# ------------------------------------------------------------------------------- the toxicity task


def toxicity_rows(data: Path) -> list[Row]:
    """Tweets that people called hateful, offensive or neither; harmless texts of other kinds."""
    rows = davidson(data)
    rows += harmless("clinc150", some(clinc(data, "train"), 2000))
    rows += harmless("halueval prompts", some(halueval(data, "user_query"), 2000))
    rows += harmless("halueval answers", some(halueval(data, ANSWER), 2000))
    rows += harmless("ragtruth answers", some(ragtruth(data, "response"), 1200))
    rows += harmless("mail", some(mail(data, "easy-ham"), 1500))
    rows += harmless("begin", some(begin(data), 2000))
    rows += harmless("invented data", some(invented_data(data), 1000))
    return different(rows)


def davidson(data: Path) -> list[Row]:
    """Without the marks of Twitter, which would name the source rather than the tone."""
    kinds = {"0": "hate", "1": "offensive", "2": "neither"}
    rows = csv.DictReader(io.StringIO(_read(data / "toxicity/davidson.csv.gz")))
    return [
        Row(plain_tweet(row["tweet"]), int(row["class"] != "2"), TWEETS, kinds[row["class"]])
        for row in rows
    ]


def plain_tweet(text: str) -> str:
    """Without retweet marks, names of accounts, links and HTML entities; `#tag` becomes `tag`."""
    text = html.unescape(html.unescape(text))
    text = re.sub(r"https?://\S+|\bRT\b|@\w+:?|&#\d+;?", " ", text)
    return re.sub(r"\s+", " ", text.replace("#", "")).strip(' "!')


def surge(data: Path) -> list[Row]:
    rows = csv.DictReader(io.StringIO(_read(data / "toxicity/surge_en.csv.gz")))
    return [Row(row["text"], int(row["is_toxic"] == "Toxic"), "surge") for row in rows]


def dialogue_turns(data: Path, speaker: Literal["Human", "Assistant"]) -> list[str]:
    """What one side said in the chosen dialogues, in order."""
    path = data / "harmless/hh_rlhf_harmless_test.jsonl.gz"
    turns = []
    for line in _lines(path):
        parts = re.split(r"\n\n(Human|Assistant): ", json.loads(line)["chosen"])
        pairs = zip(parts[1::2], parts[2::2], strict=False)
        turns += [said.strip() for who, said in pairs if who == speaker and said.strip()]
    return turns


# -------------------------------------------------------------------------------- harmless sources

ANSWER = "chatgpt_response"


def harmless(source: str, texts: Iterable[str]) -> list[Row]:
    return [Row(text, 0, source) for text in texts]


def clinc(data: Path, part: str) -> list[str]:
    return [text for text, _ in json.loads(_read(data / "clinc150/data_full.json.gz"))[part]]


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


def begin(data: Path) -> list[str]:
    """Passages, messages and replies of BEGIN's dialogues about Wikipedia, films and the news."""
    found: set[str] = set()
    for path in sorted((data / "begin").glob("*.tsv.gz")):
        lines = io.StringIO(_read(path))
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            found.update(row[field] for field in ("knowledge", "message", "response"))
    return sorted(found - {""})


def invented_data(data: Path) -> list[str]:
    """Sentences with invented personal data, of presidio-research."""
    rows = json.loads(_read(data / "pii/generated_large.json.gz"))
    return [str(row["full_text"]) for row in rows]


def sms(data: Path) -> list[str]:
    """Messages that are no spam; for measuring only, its licence allows no more."""
    rows = [line.split("\t", 1) for line in _lines(data / "sms/sms.tsv.gz")]
    return [text for kind, text in rows if kind == "ham"]


def arena(data: Path) -> list[str]:
    lines = _lines(data / "arena/question.jsonl.gz")
    return [str(json.loads(line)["prompt"]) for line in lines]


def alpaca_eval(data: Path, field: str = "instruction") -> list[str]:
    lines = _lines(data / "alpaca_eval/gpt4_0613.jsonl.gz")
    return [str(json.loads(line)[field]) for line in lines]


def lookalikes(name: str) -> list[str]:
    """Texts written for this project: see tools/safety_lookalikes.json."""
    stored = json.loads(Path(__file__).with_name("safety_lookalikes.json").read_text("utf-8"))
    return [str(text) for text in stored[name]]


# ---------------------------------------------------------------------------------------- dividing


def different(rows: Iterable[Row]) -> list[Row]:
    """The first of each text, case and white space aside; empty ones fall out."""
    seen: dict[str, Row] = {}
    for row in rows:
        key = " ".join(row.text.lower().split())
        if key:
            seen.setdefault(key, row)
    return list(seen.values())


def some(texts: Sequence[str], count: int) -> list[str]:
    """`count` of them at random, the same every time, in their order."""
    chosen = sorted(random.Random(SEED).sample(range(len(texts)), min(count, len(texts))))
    return [texts[index] for index in chosen]


def divide(rows: Sequence[Row]) -> dict[Part, list[Row]]:
    """60 : 20 : 20, a family in one part; the same every time."""
    families = linked([row.text for row in rows])
    sizes = Counter(families)
    order = sorted(sizes)
    random.Random(SEED).shuffle(order)
    largest = max(order, key=lambda family: sizes[family])
    part_of: dict[int, Part] = {}
    for index, family in enumerate(order):
        share = index / len(order)
        part_of[family] = (
            "test"
            if share < TEST_SHARE
            else "validation"
            if share < TEST_SHARE + VALIDATION_SHARE
            else "train"
        )
    part_of[largest] = "train"
    parts: dict[Part, list[Row]] = {"train": [], "validation": [], "test": []}
    for row, family in zip(rows, families, strict=True):
        parts[part_of[family]].append(row)
    return parts


def linked(texts: Sequence[str]) -> list[int]:
    """The family of each text."""
    held = _shingle_matrix(texts)
    shared = (held @ held.T).tocoo()
    sizes = np.maximum(np.asarray(held.sum(axis=1)).ravel(), 1)
    shorter = np.minimum(sizes[shared.row], sizes[shared.col])
    near = shared.data >= np.maximum(LINKED_SHARE * shorter, 2)
    edges = csr_matrix((near[near], (shared.row[near], shared.col[near])), shape=shared.shape)
    return [int(family) for family in connected_components(edges, directed=False)[1]]


def _shingle_matrix(texts: Sequence[str]) -> csr_matrix:
    counts: Counter[str] = Counter()
    held = [_shingles(text) for text in texts]
    for shingles in held:
        counts.update(shingles)
    usable = [shingle for shingle, count in counts.items() if 1 < count <= COMMON_SHINGLE]
    number = {shingle: index for index, shingle in enumerate(usable)}
    found = [(row, number[s]) for row, shingles in enumerate(held) for s in shingles if s in number]
    rows, columns = zip(*found, strict=True) if found else ((), ())
    ones = np.ones(len(rows), dtype=np.int32)
    return csr_matrix((ones, (rows, columns)), shape=(len(texts), max(len(number), 1)))


def _shingles(text: str) -> list[str]:
    words = re.findall(r"\w+", text.lower())
    last = max(1, len(words) - SHINGLE_WORDS + 1)
    return sorted({" ".join(words[i : i + SHINGLE_WORDS]) for i in range(last)})


def _lines(path: Path) -> list[str]:
    """Its lines, cut at line feeds only: a JSON string may hold other line ends."""
    return [line for line in _read(path).split("\n") if line]


def _read(path: Path) -> str:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return file.read()
