"""How far the text descriptors can be trusted, on labelled data, with 95 % intervals.

    python benchmarks/descriptors.py --answers DATA --toxicity DATA/toxicity \
        --sentiment FOLDER --languages FOLDER

    --answers    a folder with arena/ and ragtruth_qa/ (answers of models): false alarms and speed
    --toxicity   davidson.csv.gz and surge_en.csv.gz: profanity against labels of offence
    --sentiment  *_GroundTruth.txt of hutto_ICWSM_2014.tar.gz, in `pip download vaderSentiment==0.5`
                 (vaderSentiment's own numbers beside ours, where it is installed)
    --languages  Django's *.po files (pip download --no-deps django==5.2.19, unzipped)

Each part is left out without its folder. docs/descriptors.md has the numbers.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import numpy as np

from driftline.metrics.descriptors import DESCRIPTORS
from driftline.metrics.descriptors.code_validity import code_validity
from driftline.metrics.descriptors.decisions import share
from driftline.metrics.descriptors.degeneration import degeneration
from driftline.metrics.descriptors.hedging import hedging
from driftline.metrics.descriptors.language import ANOTHER_LANGUAGE, LANGUAGES, language_of
from driftline.metrics.descriptors.profanity import profane
from driftline.metrics.descriptors.sentiment import polarity, valences
from driftline.metrics.descriptors.truncation import ends_mid_sentence
from driftline.metrics.text import words
from driftline.sdk.records import Event, Message

Z_95 = 1.96
SEED = 7
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[sd]|\{\w*\}|<[^>]+>|&\w+;|\\.")
ENTRY = re.compile(r'^msgid ((?:".*"\n?)+)(?:msgid_plural (?:".*"\n?)+)?'
                   r'msgstr(?:\[0\])? ((?:".*"\n?)+)', re.MULTILINE)  # fmt: skip
LENGTHS = ((10, 25), (25, 50), (50, 100), (100, 1000))
SAME_AS = {"nb": "no", "nn": "no"}  # Norwegian's two written forms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name in ("answers", "toxicity", "sentiment", "languages"):
        parser.add_argument(f"--{name}", type=Path)
    said = parser.parse_args()
    if said.languages:
        languages(said.languages)
    if said.sentiment:
        sentiments(said.sentiment)
    if said.toxicity:
        profanities(said.toxicity)
    if said.answers:
        answers(said.answers)


def shown(name: str, count: int, n: int) -> None:
    part = share(count, n)
    print(f"  {name}: {part.share:.3f} [{part.low:.3f}, {part.high:.3f}] (n = {n})")


# ---------------------------------------------------------------------- language


def languages(folder: Path) -> None:
    """Translated texts of Django: accuracy by length, and how sure wrong answers are."""
    rows = sorted(set(translations(folder)))
    print(f"language: {len(rows)} texts in {len({code for _, code in rows})} languages")
    found = [(text, code, language_of(text)) for text, code in rows]
    for low, high in LENGTHS:
        part = [(code, seen) for text, code, seen in found if low <= len(text) < high]
        right = sum(seen is not None and seen[0] == code for code, seen in part)
        shown(f"{low} to {high - 1} characters, right", right, len(part))
    for low, high in pairwise((0.0, 0.5, ANOTHER_LANGUAGE, 0.95, 1.01)):
        sure = [seen[0] == code for _, code, seen in found if seen and low <= seen[1] < high]
        shown(f"probability {low:g} to {min(high, 1.0):g}, right", sum(sure), len(sure))
    english = [seen for _, code, seen in found if code == "en"]
    lost = [seen for seen in english if seen and seen[0] != "en" and seen[1] >= ANOTHER_LANGUAGE]
    shown("English taken for another language at 0.8", len(lost), len(english))
    long = [(code, seen) for text, code, seen in found if len(text) >= 50]
    for code in sorted({code for code, _ in long}):
        seen_as = [seen is not None and seen[0] == code for name, seen in long if name == code]
        if sum(seen_as) < 0.8 * len(seen_as):
            print(f"    weak: {code} {sum(seen_as)}/{len(seen_as)}")


def translations(folder: Path) -> Iterator[tuple[str, str]]:
    """Texts of at least 10 characters without placeholders, each with its language."""
    for path in sorted(folder.rglob("django.po")):
        code = path.parts[-3].split("_")[0].lower()
        code = SAME_AS.get(code, code)
        if code not in LANGUAGES or (code == "en" and path.parts[-3] != "en"):
            continue
        for source, target in ENTRY.findall(path.read_text("utf-8")):
            before, after = plain(source), plain(target)
            if not before:  # the file's header
                continue
            text = before if code == "en" else after
            if len(text) >= LENGTHS[0][0] and (code == "en" or after != before):
                yield text, code


def plain(lines: str) -> str:
    joined = "".join(line.strip()[1:-1] for line in lines.strip().splitlines())
    return " ".join(PLACEHOLDER.sub(" ", joined).split())


# ---------------------------------------------------------------------- sentiment


def sentiments(folder: Path) -> None:
    """Correlation with mean ratings of 20 people, beside a plain sum of the words' valences."""
    for path in sorted(folder.rglob("*_GroundTruth.txt")):
        rows = [line.split("\t") for line in path.read_text("utf-8", "replace").splitlines()]
        texts, ratings = [row[2] for row in rows], np.array([float(row[1]) for row in rows])
        ours = np.array([value.value if (value := polarity(t)) else 0.0 for t in texts], float)
        sums = np.array([sum(valences().get(w.lower(), 0.0) for w in words(t)) for t in texts])
        print(f"sentiment, {path.name.removesuffix('_GroundTruth.txt')} (n = {len(rows)}):")
        correlated("ours", ours, ratings)
        correlated("sum of valences", sums, ratings)
        if judge := vader():
            correlated("vaderSentiment", np.array([judge(text) for text in texts]), ratings)
        clear = np.abs(ratings) >= 1.0
        decided = clear & (ours != 0)
        agree = int((np.sign(ours) == np.sign(ratings))[decided].sum())
        shown("sign right, of clear ratings with a number other than 0", agree, int(decided.sum()))
        shown("0, of clear ratings", int((clear & (ours == 0)).sum()), int(clear.sum()))


@cache
def vader() -> Callable[[str], float] | None:
    """The compound score of the package vaderSentiment, where that is installed."""
    try:
        analyzer = import_module("vaderSentiment.vaderSentiment").SentimentIntensityAnalyzer()
    except ImportError:
        return None
    return lambda text: float(analyzer.polarity_scores(text)["compound"])


def correlated(name: str, first: np.ndarray, second: np.ndarray) -> None:
    r = float(np.corrcoef(first, second)[0, 1])
    low, high = np.tanh(np.arctanh(r) + np.array([-1, 1]) * Z_95 / np.sqrt(len(first) - 3))
    print(f"  {name}: r = {r:.3f} [{low:.3f}, {high:.3f}]")


# ---------------------------------------------------------------------- profanity


def profanities(folder: Path) -> None:
    davidson = [
        (row["tweet"], row["class"] != "2") for row in table(folder / "davidson.csv.gz")
    ]  # 0 hate, 1 offensive, 2 neither
    surge = [(row["text"], row["is_toxic"] == "Toxic") for row in table(folder / "surge_en.csv.gz")]
    for name, rows in (("Davidson tweets", davidson), ("Surge comments", surge)):
        flagged = [(any(profane(text)), label) for text, label in rows]
        hits = sum(flag and label for flag, label in flagged)
        print(f"profanity, {name}: {sum(label for _, label in rows)} of {len(rows)} labelled")
        shown("precision", hits, sum(flag for flag, _ in flagged))
        shown("recall", hits, sum(label for _, label in flagged))


def table(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# ---------------------------------------------------------------------- answers of models


def answers(folder: Path) -> None:
    arena = [row["messages"][1]["content"]["answer"] for path in sorted(
        (folder / "arena").glob("answers_*.jsonl.gz")) for row in lines(path)]  # fmt: skip
    ragtruth = [row["response"] for row in lines(folder / "ragtruth_qa" / "ragtruth_qa.jsonl.gz")]
    for name, texts in (("arena", arena), ("RAGTruth", ragtruth)):
        print(f"answers of models, {name} (n = {len(texts)}):")
        shown("with a profane word", sum(any(profane(text)) for text in texts), len(texts))
        runs = [value.value or 0.0 for text in texts if (value := degeneration(text))]
        shown("degeneration over 0.2", sum(run > 0.2 for run in runs), len(runs))
        hedged = [value.value or 0.0 for text in texts if (value := hedging(text))]
        print(f"  hedging: mean {np.mean(hedged):.3f}")
        truncations(texts)
        code = [value.value for text in texts if (value := code_validity(text))]
        if code:
            shown("all Python parses", sum(value == 1.0 for value in code), len(code))
    speed(ragtruth[:500])


def truncations(texts: Sequence[str]) -> None:
    """Whole answers, and the same cut after a random word in their second half."""
    rng = random.Random(SEED)
    whole = [end for text in texts if (end := ends_mid_sentence(text)) is not None]
    shown("whole, called cut off", sum(whole), len(whole))
    cut = [end for text in texts if (end := ends_mid_sentence(shortened(text, rng))) is not None]
    shown("cut after a random word, called cut off", sum(cut), len(cut))


def shortened(text: str, rng: random.Random) -> str:
    places = [found.end() for found in re.finditer(r"\S+", text)]
    return text[: rng.choice(places[len(places) // 2 : -1] or [0])]


def lines(path: Path) -> Iterator[dict]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def speed(texts: Sequence[str]) -> None:
    events = [an_event(text) for text in texts]
    for name, metrics in (
        ("default", [metric for metric in DESCRIPTORS if metric.card.default]),
        ("all", DESCRIPTORS),
    ):
        for metric in metrics:
            metric(events[0])  # models and lists are loaded
        started = time.process_time()
        for event in events:
            for metric in metrics:
                metric(event)
        each = (time.process_time() - started) / len(events)
        size = sum(map(len, texts)) / len(texts)
        print(
            f"  {len(metrics)} {name}: {each * 1e3:.2f} ms CPU an answer of {size:.0f} characters"
        )


def an_event(text: str) -> Event:
    plain_fields = dict.fromkeys(Event.__dataclass_fields__, "")
    return Event(**plain_fields | {  # type: ignore[arg-type]
        "output": text, "status": "ok", "input": [Message("user", "What is it about?")],
        "metadata": {}, "usage": {}, "context": [], "token_logprobs": [], "tags": [],
    })  # fmt: skip


if __name__ == "__main__":
    main()
