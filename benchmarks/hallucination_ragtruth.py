"""How well does the hallucination detector do on RAGTruth's question-answering test split?

    python benchmarks/hallucination_ragtruth.py PATH/ragtruth_qa.jsonl.gz

Scores the rows of split "test" through the public functions, at the thresholds frozen in
metrics/data/fusion.json, and prints Markdown tables with bootstrap intervals over *questions* (the
four answers to a question are not independent). Beside the detector: the lexical one alone, the
span tagger alone, and rows that need no detector: always "hallucinated", the length of the answer,
the share of novel words. --diagram FILE.svg draws the calibration.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from driftline.metrics import models
from driftline.metrics.fusion import NO_PIECE_LOGIT, load_fusion
from driftline.metrics.hallucination import Grounding, hallucination, load_detector
from driftline.metrics.sentences import sentences
from driftline.metrics.tagger import load_tagger, tag
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
    lexical: Grounding
    tagged: float  # the highest piece's logit


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
        rows = [row for line in lines if (row := json.loads(line))["split"] == split]
    asked = [(row["question"], [row["context"]], row["response"]) for row in rows]
    tagged = tag(load_tagger(models.resolve(models.MINILM)), asked)
    return [
        Row(
            question=str(row["source_id"]),
            answer=row["response"],
            spans=tuple((int(label["start"]), int(label["end"])) for label in row["labels"]),
            found=hallucination(*texts, pieces),
            lexical=hallucination(*texts),
            tagged=max(pieces.logits, default=NO_PIECE_LOGIT),
        )
        for row, texts, pieces in zip(rows, asked, tagged, strict=True)
    ]


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


def ece_of_truth(chances: Numbers, draws: int, seed: int) -> Interval:
    """The ECE that so many rows would show if every probability were exactly right."""
    rng = np.random.default_rng(seed)
    found = [ece((rng.random(len(chances)) < chances).astype(float), chances) for _ in range(draws)]
    low, high = np.percentile(found, [2.5, 97.5])
    return Interval(float(np.mean(found)), float(low), float(high))


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


def span_f1(rows: Sequence[Row], marked_by: Callable[[Row], Grounding]) -> float:
    """F1 over characters: what is marked against labelled spans, pooled over the answers."""
    hits = marked = labelled = 0
    for row in rows:
        truth = _mask(len(row.answer), row.spans)
        guess = _mask(len(row.answer), _pairs(marked_by(row).sentences))
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
    """The tables' lines. A detector that abstains counts as saying 0."""
    labels = np.array([float(bool(row.spans)) for row in rows])
    groups = [row.question for row in rows]
    chances = np.array([row.found.probability or 0.0 for row in rows])
    lexical = np.array([row.lexical.probability or 0.0 for row in rows])
    flags = (chances >= load_fusion().answer_threshold).astype(float)
    lexical_flags = (lexical >= load_detector().answer_threshold).astype(float)
    baselines = {
        "span tagger alone, highest piece": [row.tagged for row in rows],
        "length of the answer": [float(len(row.answer)) for row in rows],
        "share of novel words": [row.found.novel_words or 0.0 for row in rows],
    }

    def interval(measure: Callable[[NDArray[np.intp]], float]) -> Interval:
        return bootstrap(groups, measure, draws, seed)

    def spans(by: Callable[[Row], Grounding]) -> Interval:
        return interval(lambda i: span_f1([rows[int(at)] for at in i], by))

    always = np.ones(len(rows))
    abstained = sum(row.found.probability is None for row in rows)
    return [
        f"n = {len(rows)} answers to {len(set(groups))} questions, {labels.mean():.1%} of them "
        f"hallucinated, {abstained} abstained",
        "",
        "| scorer | AUROC | F1 | characters, F1 |",
        "|---|---|---|---|",
        f"| detector, frozen thresholds | {interval(lambda i: auroc(labels[i], chances[i]))} "
        f"| {interval(lambda i: f1(labels[i], flags[i]))} | {spans(lambda row: row.found)} |",
        f"| lexical detector alone | {interval(lambda i: auroc(labels[i], lexical[i]))} "
        f"| {interval(lambda i: f1(labels[i], lexical_flags[i]))} "
        f"| {spans(lambda row: row.lexical)} |",
        *(
            f"| {told} | {interval(partial(_area, labels, np.array(values)))} | | |"
            for told, values in baselines.items()
        ),
        f"| always positive | 0.5 | {interval(lambda i: f1(labels[i], always[i]))} | |",
        "",
        f"precision {_share(labels, flags):.3f}, recall {_share(flags, labels):.3f}",
        f"ECE {interval(lambda i: ece(labels[i], chances[i]))}, mean probability "
        f"{chances.mean():.3f}; lexical {ece(labels, lexical):.3f}, {lexical.mean():.3f}",
        f"ECE that exactly right probabilities would show: {ece_of_truth(chances, draws, seed)}",
        "",
        "| probability | answers | mean probability | hallucinated |",
        "|---|---|---|---|",
        *(
            f"| {low:.1f} to {low + 1 / ECE_BINS:.1f} | {count} | {said:.2f} | {true:.2f} |"
            for low, count, said, true in bins(labels, chances)
        ),
    ]


def _area(labels: Numbers, scores: Numbers, at: NDArray[np.intp]) -> float:
    return auroc(labels[at], scores[at])


def bins(labels: Numbers, chances: Numbers) -> list[tuple[float, int, float, float]]:
    """Of each bin that holds any: its lower edge, rows, mean probability, share of positives."""
    of = np.minimum((chances * ECE_BINS).astype(int), ECE_BINS - 1)
    return [
        (b / ECE_BINS, int((of == b).sum()), chances[of == b].mean(), labels[of == b].mean())
        for b in np.unique(of)
    ]


def diagram(labels: Numbers, chances: Numbers) -> str:
    """A reliability diagram as SVG; a disc's area is its number of answers."""
    side = 320
    discs = "".join(
        f'<circle cx="{40 + side * said:.1f}" cy="{20 + side * (1 - true):.1f}" '
        f'r="{2.5 * math.sqrt(count / len(labels) * 25):.1f}" fill="#2563eb" fill-opacity=".7"/>'
        for _, count, said, true in bins(labels, chances)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" font-family="sans-serif" '
        'font-size="12"><rect width="400" height="400" fill="white"/>'
        f'<rect x="40" y="20" width="{side}" height="{side}" fill="none" stroke="#999"/>'
        f'<path d="M40 {20 + side} L{40 + side} 20" stroke="#999" stroke-dasharray="4"/>{discs}'
        '<text x="200" y="375" text-anchor="middle">probability said</text>'
        '<text x="16" y="180" text-anchor="middle" transform="rotate(-90 16 180)">share that is '
        "hallucinated</text></svg>\n"
    )


def _share(of: Numbers, among: Numbers) -> float:
    return float((of * among).sum() / max(1.0, among.sum()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("source", type=Path, help="ragtruth_qa.jsonl.gz")
    parser.add_argument("--split", default="test")
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--diagram", type=Path, help="an SVG to write")
    options = parser.parse_args()
    load_detector()
    started = time.perf_counter()
    rows = read_rows(options.source, options.split)
    seconds = time.perf_counter() - started
    count = sum(len(sentences(row.answer)) for row in rows)
    print("\n".join(report(rows, options.draws, options.seed)))
    if options.diagram:
        labels = np.array([float(bool(row.spans)) for row in rows])
        chances = np.array([row.found.probability or 0.0 for row in rows])
        options.diagram.write_text(diagram(labels, chances), encoding="utf-8")
    print(
        f"{1e3 * seconds / count:.2f} ms a sentence ({count} sentences, reading contexts included)"
    )


if __name__ == "__main__":
    main()
