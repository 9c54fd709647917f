"""How well does the hallucination detector do on RAGTruth's question-answering test split?

    python benchmarks/hallucination_ragtruth.py PATH/ragtruth_qa.jsonl.gz

Scores the rows of split "test" through the public function, at the thresholds frozen in
metrics/data/hallucination.json, and prints a Markdown table with bootstrap intervals over
*questions* (the four answers to a question are not independent), beside the rows that need no
detector: saying "hallucinated" always, the length of the answer, and the share of novel words.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from driftline.metrics.hallucination import Grounding, hallucination, load_detector
from driftline.metrics.sentences import sentences
from driftline.sdk.records import TextSpan

Numbers = NDArray[np.float64]
ECE_BINS = 10


@dataclass(frozen=True, slots=True)
class Row:
    """One test answer, its labelled spans, and what the detector said."""

    question: str
    answer: str
    spans: tuple[tuple[int, int], ...]
    found: Grounding


@dataclass(frozen=True, slots=True)
class Interval:
    """A measured value with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def read_rows(path: Path, split: str) -> list[Row]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [_row(row) for row in rows if row["split"] == split]


def _row(row: dict[str, object]) -> Row:
    question, context, answer = (str(row[key]) for key in ("question", "context", "response"))
    labels = row["labels"]
    assert isinstance(labels, list)
    spans = tuple((int(label["start"]), int(label["end"])) for label in labels)
    return Row(str(row["source_id"]), answer, spans, hallucination(question, [context], answer))


def auroc(labels: Numbers, scores: Numbers) -> float:
    """The chance that a positive scores above a negative, ties half; NaN without both."""
    positive = labels > 0.5
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return float("nan")
    return float((rankdata(scores)[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def f1(labels: Numbers, flags: Numbers) -> float:
    both = float((labels * flags).sum())
    return 2.0 * both / max(1.0, float(labels.sum() + flags.sum()))


def ece(labels: Numbers, chances: Numbers) -> float:
    """Expected calibration error over ten bins of equal width (Guo et al. 2017)."""
    bins = np.minimum((chances * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = [
        abs(float(labels[bins == b].mean() - chances[bins == b].mean())) * float((bins == b).mean())
        for b in np.unique(bins)
    ]
    return float(sum(gaps))


def bootstrap(
    groups: Sequence[str], measure: Callable[[NDArray[np.intp]], float], draws: int, seed: int
) -> Interval:
    """`measure` of row numbers, over resamples of whole groups."""
    names = sorted(set(groups))
    members = [np.flatnonzero(np.array(groups) == name) for name in names]
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        picked = rng.integers(0, len(names), len(names))
        values.append(measure(np.concatenate([members[i] for i in picked])))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return Interval(measure(np.arange(len(groups))), float(low), float(high))


def span_f1(rows: Sequence[Row]) -> float:
    """F1 over characters: marked sentences against labelled spans, pooled over the answers."""
    hits = marked = labelled = 0
    for row in rows:
        truth, guess = (
            _mask(len(row.answer), row.spans),
            _mask(len(row.answer), _pairs(row.found.sentences)),
        )
        hits += int((truth & guess).sum())
        marked += int(guess.sum())
        labelled += int(truth.sum())
    return 2.0 * hits / max(1, marked + labelled)


def _pairs(spans: Sequence[TextSpan]) -> list[tuple[int, int]]:
    return [(span.start, span.end) for span in spans]


def _mask(size: int, spans: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    mask = np.zeros(size, dtype=bool)
    for start, end in spans:
        mask[start:end] = True
    return mask


def report(rows: Sequence[Row], draws: int, seed: int) -> list[str]:
    """The table's lines. A detector that abstains counts as saying 0."""
    labels = np.array([float(bool(row.spans)) for row in rows])
    groups = [row.question for row in rows]
    chances = np.array([row.found.probability or 0.0 for row in rows])
    flags = (chances >= load_detector().answer_threshold).astype(float)
    lengths = np.array([float(len(row.answer)) for row in rows])
    novel = np.array([row.found.novel_words or 0.0 for row in rows])

    def interval(measure: Callable[[NDArray[np.intp]], float]) -> Interval:
        return bootstrap(groups, measure, draws, seed)

    always = np.ones(len(rows))
    abstained = sum(row.found.probability is None for row in rows)
    return [
        f"n = {len(rows)} answers to {len(set(groups))} questions, {labels.mean():.1%} of them "
        f"hallucinated, {abstained} abstained",
        "",
        "| scorer | AUROC | F1 |",
        "|---|---|---|",
        f"| detector, frozen threshold | {interval(lambda i: auroc(labels[i], chances[i]))} "
        f"| {interval(lambda i: f1(labels[i], flags[i]))} |",
        f"| length of the answer | {interval(lambda i: auroc(labels[i], lengths[i]))} | |",
        f"| share of novel words | {interval(lambda i: auroc(labels[i], novel[i]))} | |",
        f"| always positive | 0.5 | {interval(lambda i: f1(labels[i], always[i]))} |",
        "",
        f"precision {_share(labels, flags):.3f}, recall {_share(flags, labels):.3f}",
        f"ECE {interval(lambda i: ece(labels[i], chances[i]))}, "
        f"mean probability {chances.mean():.3f}",
        f"characters of marked sentences against labelled spans: F1 {span_f1(rows):.3f}",
    ]


def _share(of: Numbers, among: Numbers) -> float:
    return float((of * among).sum() / max(1.0, among.sum()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("source", type=Path, help="ragtruth_qa.jsonl.gz")
    parser.add_argument("--split", default="test")
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    load_detector()
    started = time.perf_counter()
    rows = read_rows(options.source, options.split)
    seconds = time.perf_counter() - started
    count = sum(len(sentences(row.answer)) for row in rows)
    print("\n".join(report(rows, options.draws, options.seed)))
    print(
        f"{1e3 * seconds / count:.2f} ms a sentence ({count} sentences, reading contexts included)"
    )


if __name__ == "__main__":
    main()
