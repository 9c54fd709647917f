"""Train the lexical hallucination detector on RAGTruth's question-answering training split.

    python tools/train_hallucination.py PATH/ragtruth_qa.jsonl.gz metrics/data/hallucination.json

Only rows with split "train" are read. Their questions are divided at random, all answers to a
question together: 80 % to fit, 20 % to choose the L2 penalty, to calibrate (Platt) and to choose
the thresholds. The rows of the test split are never looked at; benchmarks/hallucination_ragtruth.py
scores them. The same file and seed give the same JSON.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import rankdata

from driftline.metrics.grounding import (
    ANSWER_FEATURES,
    FEATURES,
    Facts,
    answer_features,
    read_answer,
    sentence_features,
)
from driftline.metrics.hallucination import Detector
from driftline.metrics.logistic import Logistic

SEED = 20260
VALIDATION_SHARE = 0.2
FOLDS = 5
PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
FRAMING_MIN_COUNT = 40  # sentences in which the stem is novel
FRAMING_MAX_RATE = 0.2  # share of them that overlap a labelled span

Matrix = NDArray[np.float64]
NO_CALIBRATION = (1.0, 0.0)


@dataclass(frozen=True, slots=True)
class Answer:
    """One labelled answer: which of its sentences overlap a hallucinated span."""

    question_id: str
    facts: tuple[Facts, ...]
    bad: tuple[bool, ...]
    hallucinated: bool


def read_rows(path: Path, split: str) -> list[dict[str, Any]]:
    """The rows of one split, in the file's order."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [row for line in lines if (row := json.loads(line))["split"] == split]


def read_answers(path: Path, split: str) -> list[Answer]:
    return [_answer(row) for row in read_rows(path, split)]


def _answer(row: dict[str, Any]) -> Answer:
    reading = read_answer(str(row["question"]), [str(row["context"])], str(row["response"]))
    spans = row["labels"]
    bad = tuple(
        any(s["start"] < fact.sentence.end and s["end"] > fact.sentence.start for s in spans)
        for fact in reading.facts
    )
    return Answer(str(row["source_id"]), reading.facts, bad, bool(spans))


def held_questions(question_ids: Iterable[str], seed: int = SEED) -> set[str]:
    """The questions of the validation part: the same for every tool that is given the same rows."""
    questions = sorted(set(question_ids))
    random.Random(seed).shuffle(questions)
    return set(questions[: round(VALIDATION_SHARE * len(questions))])


def divide(answers: Sequence[Answer], seed: int) -> tuple[list[Answer], list[Answer]]:
    """Fit and validation parts; a question is in one of them."""
    held = held_questions((answer.question_id for answer in answers), seed)
    fit = [answer for answer in answers if answer.question_id not in held]
    return fit, [answer for answer in answers if answer.question_id in held]


def framing_words(answers: Iterable[Answer]) -> frozenset[str]:
    """Stems that are often novel and seldom wrong: how answers talk, not what they claim."""
    seen: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for answer in answers:
        for facts, bad in zip(answer.facts, answer.bad, strict=True):
            keys = {token.key for token in facts.novel}
            seen.update(keys)
            wrong.update(keys if bad else ())
    common = [key for key, count in seen.items() if count >= FRAMING_MIN_COUNT]
    return frozenset(key for key in common if wrong[key] / seen[key] < FRAMING_MAX_RATE)


def fit_logistic(rows: Matrix, labels: Matrix, penalty: float) -> Logistic:
    """Minimise log loss + penalty/2 |w|^2 on standardised columns; the intercept is free."""
    mean, scale = rows.mean(0), np.maximum(rows.std(0), 1e-6)
    design = np.column_stack([np.ones(len(rows)), (rows - mean) / scale])

    def loss(w: Matrix) -> tuple[float, Matrix]:
        logits = design @ w
        slope = np.concatenate([[0.0], penalty * w[1:]])
        chance = 1.0 / (1.0 + np.exp(-logits))
        value = np.logaddexp(0.0, logits).sum() - labels @ logits + penalty / 2 * (w[1:] @ w[1:])
        return float(value), design.T @ (chance - labels) + slope

    found = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B").x
    return Logistic(_tuple(mean), _tuple(scale), _tuple(found[1:]), round(float(found[0]), 6))


def _tuple(values: Matrix) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)


def fit_sentences(answers: Sequence[Answer], framing: frozenset[str], penalty: float) -> Logistic:
    rows = [sentence_features(fact, framing) for answer in answers for fact in answer.facts]
    labels = [bad for answer in answers for bad in answer.bad]
    return fit_logistic(np.array(rows), np.array(labels, dtype=np.float64), penalty)


def fit_detector(answers: Sequence[Answer], penalty: float, seed: int) -> Detector:
    """Sentences, then answers on the logits that models of *other* questions gave them."""
    framing = framing_words(answers)
    rows, labels = _unseen_rows(answers, framing, penalty, seed)
    sentence = fit_sentences(answers, framing, penalty)
    answer = fit_logistic(rows, labels, penalty)
    return Detector(framing, sentence, answer, NO_CALIBRATION, 0.5, 0.5)


def _unseen_rows(
    answers: Sequence[Answer], framing: frozenset[str], penalty: float, seed: int
) -> tuple[Matrix, Matrix]:
    """Answer features made with sentence models that did not see the answer's question."""
    questions = sorted({answer.question_id for answer in answers})
    random.Random(seed + 1).shuffle(questions)
    fold = {question: index % FOLDS for index, question in enumerate(questions)}
    rows, labels = [], []
    for held in range(FOLDS):
        others = [answer for answer in answers if fold[answer.question_id] != held]
        empty = Logistic((), (), (), 0.0)
        sentence = fit_sentences(others, framing, penalty)
        model = Detector(framing, sentence, empty, NO_CALIBRATION, 0.5, 0.5)
        for answer in (a for a in answers if fold[a.question_id] == held):
            logits = model.sentence_logits(answer.facts)
            rows.append(answer_features(answer.facts, logits, framing))
            labels.append(float(answer.hallucinated))
    return np.array(rows), np.array(labels)


def probabilities(detector: Detector, answers: Iterable[Answer]) -> Matrix:
    chances = [
        detector.probability(answer.facts, detector.sentence_logits(answer.facts))
        for answer in answers
    ]
    return np.array(chances)


def sentence_chances(detector: Detector, answers: Iterable[Answer]) -> Matrix:
    logits = [logit for answer in answers for logit in detector.sentence_logits(answer.facts)]
    return np.asarray(1.0 / (1.0 + np.exp(-np.array(logits))))


def log_loss(chances: Matrix, labels: Matrix) -> float:
    kept = np.clip(chances, 1e-9, 1.0 - 1e-9)
    return float(-np.mean(labels * np.log(kept) + (1.0 - labels) * np.log(1.0 - kept)))


def auroc(labels: Matrix, scores: Matrix) -> float:
    """The chance that a positive scores above a negative (Mann-Whitney, ties half)."""
    positive = labels > 0.5
    ones, zeros = int(positive.sum()), int((~positive).sum())
    return float((rankdata(scores)[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def platt(chances: Matrix, labels: Matrix) -> tuple[float, float]:
    """Slope and intercept on the logit (Platt 1999), without penalty."""
    logits = np.log(chances / (1.0 - chances))[:, None]
    found = fit_logistic(logits, labels, 0.0)
    slope = found.weights[0] / found.scale[0]
    return round(slope, 6), round(found.intercept - slope * found.mean[0], 6)


def best_threshold(chances: Matrix, labels: Matrix) -> float:
    """The cut with the highest F1."""
    order = np.argsort(-chances, kind="stable")
    hits = np.cumsum(labels[order])
    f1 = 2.0 * hits / (np.arange(1, len(order) + 1) + labels.sum())
    return round(float(chances[order][int(f1.argmax())]), 4)


def train(answers: Sequence[Answer], seed: int) -> tuple[Detector, dict[str, object]]:
    """The detector, and what happened on the validation part."""
    fit, held = divide(answers, seed)
    labels = np.array([float(answer.hallucinated) for answer in held])
    models = {penalty: fit_detector(fit, penalty, seed) for penalty in PENALTIES}
    losses = {p: log_loss(probabilities(model, held), labels) for p, model in models.items()}
    chosen = min(PENALTIES, key=lambda penalty: losses[penalty])
    raw = models[chosen]
    slope_and_intercept = platt(probabilities(raw, held), labels)
    calibrated = Detector(raw.framing, raw.sentence, raw.answer, slope_and_intercept, 0.5, 0.5)
    chances, per_sentence = probabilities(calibrated, held), sentence_chances(calibrated, held)
    bad = np.array([float(bad) for answer in held for bad in answer.bad])
    detector = Detector(
        raw.framing,
        raw.sentence,
        raw.answer,
        slope_and_intercept,
        sentence_threshold=best_threshold(per_sentence, bad),
        answer_threshold=best_threshold(chances, labels),
    )
    facts: dict[str, object] = {
        "fitted_on": len(fit),
        "validated_on": len(held),
        "validation_prior": round(float(labels.mean()), 4),
        "penalty": chosen,
        "log_loss_by_penalty": {str(p): round(loss, 4) for p, loss in losses.items()},
        "answer_auroc": round(auroc(labels, chances), 4),
        "sentence_auroc": round(auroc(bad, per_sentence), 4),
    }
    return detector, facts


def stored(detector: Detector, facts: dict[str, object], source: Path, seed: int) -> str:
    """The JSON text, one key a line."""
    content = {
        "about": "written by tools/train_hallucination.py; do not edit",
        "data": "RAGTruth question answering, split train (MIT)",
        "data_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "seed": seed,
        "validation": facts,
        "framing": sorted(detector.framing),
        "sentence": model(detector.sentence, FEATURES),
        "answer": model(detector.answer, ANSWER_FEATURES),
        "calibration": list(detector.calibration),
        "sentence_threshold": detector.sentence_threshold,
        "answer_threshold": detector.answer_threshold,
    }
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def model(logistic: Logistic, names: Sequence[str]) -> dict[str, object]:
    return {
        "names": list(names),
        "mean": list(logistic.mean),
        "scale": list(logistic.scale),
        "weights": list(logistic.weights),
        "intercept": logistic.intercept,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("source", type=Path, help="ragtruth_qa.jsonl.gz")
    parser.add_argument("target", type=Path, help="the JSON to write")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    detector, facts = train(read_answers(options.source, "train"), options.seed)
    options.target.parent.mkdir(parents=True, exist_ok=True)
    options.target.write_text(stored(detector, facts, options.source, options.seed))
    print(json.dumps(facts, indent=2))


if __name__ == "__main__":
    main()
