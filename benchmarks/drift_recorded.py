"""RAGTruth's questions as traffic: windows with and without a known change, from real embeddings.

Every window is drawn without replacement from the questions that two models answered. Prompts and
answers are embedded with all-MiniLM-L6-v2; perplexity is left out, since it would take an hour.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from driftline.metrics.embeddings import Embedder
from driftline.metrics.features import Features
from driftline.metrics.hallucination import hallucination
from driftline.metrics.models import MINILM, resolve
from driftline.metrics.text import type_token_ratio

LARGE, SMALL = "llama-2-70b-chat", "llama-2-7b-chat"
COOKING = re.compile(
    r"\b(cook|bake|roast|recipe|grill|ham|beef|pork|chicken|sauce|cream|egg|steak|potato|rice|oven"
    r"|fry|boil|soup|bread|cake|turkey|salmon|fish)",
    re.IGNORECASE,
)
HEALTH = re.compile(
    r"\b(blood|pain|symptom|disease|cancer|vitamin|skin|pregnan|baby|babies|doctor|diabet|medic"
    r"|infection|muscle|body|teeth|tooth|tongue|hiv|hcg|hair|weight|diet|surgery|allerg|cough|cold"
    r"|fever|headache|heart|bone|liver|kidney|stomach|acid)",
    re.IGNORECASE,
)

Rows = NDArray[np.intp]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Kind:
    """A change: `share` of the window on a topic the reference lacks, answers of another model."""

    topic: re.Pattern[str] = COOKING
    share: float = 0.0
    smaller_model: bool = False

    @property
    def quiet(self) -> bool:
        return self.share == 0.0 and not self.smaller_model


@dataclass(frozen=True, slots=True)
class Answers:
    """One model's answers to all questions: vectors [n, d] and scores of [n]."""

    vectors: Vectors
    scores: dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Recorded:
    """All questions with both models' answers."""

    questions: list[str]
    vectors: Vectors
    answers: dict[str, Answers]

    def kinds(self) -> dict[str, Kind]:
        return {
            "no change": Kind(),
            "answers of 7b": Kind(smaller_model=True),
            "20 % cooking": Kind(share=0.2),
            "40 % cooking": Kind(share=0.4),
            "40 % health": Kind(topic=HEALTH, share=0.4),
            "40 % cooking, answers of 7b": Kind(share=0.4, smaller_model=True),
        }

    def draw(
        self, kind: Kind
    ) -> Callable[[np.random.Generator, int, int], tuple[Features, Features]]:
        on_topic = np.array([kind.topic.search(text) is not None for text in self.questions])
        inside, outside = np.flatnonzero(on_topic), np.flatnonzero(~on_topic)

        def drawn(rng: np.random.Generator, n: int, m: int) -> tuple[Features, Features]:
            ordinary = rng.permutation(outside)
            special = rng.permutation(inside)[: round(kind.share * m)]
            current = np.concatenate([ordinary[n : n + m - len(special)], special])
            model = SMALL if kind.smaller_model else LARGE
            return self.features(ordinary[:n], LARGE), self.features(current, model)

        return drawn

    def features(self, rows: Rows, model: str) -> Features:
        answers = self.answers[model]
        picked = {name: values[rows] for name, values in answers.scores.items()}
        ids = [str(row) for row in rows]
        return Features(ids, self.vectors[rows], answers.vectors[rows], picked)


def read_recorded(path: Path) -> Recorded:
    """The questions that both models answered, embedded and scored."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    by_model = {m: {r["source_id"]: r for r in rows if r["model"] == m} for m in (LARGE, SMALL)}
    shared = sorted(by_model[LARGE].keys() & by_model[SMALL].keys())
    asked = [by_model[LARGE][key] for key in shared]
    questions = [str(row["question"]) for row in asked]
    embedder = Embedder.load(resolve(MINILM), "cpu", MINILM)
    return Recorded(
        questions,
        embedded(embedder, questions),
        {m: answers_of([by_model[m][key] for key in shared], embedder) for m in by_model},
    )


def answers_of(rows: Sequence[dict[str, str]], embedder: Embedder) -> Answers:
    texts = [row["response"] for row in rows]
    found = [hallucination(r["question"], [r["context"]], r["response"]).probability for r in rows]
    columns: dict[str, list[float | None]] = {
        "response_length": [float(len(text)) for text in texts],
        "prompt_length": [float(len(row["question"])) for row in rows],
        "response_type_token_ratio": [type_token_ratio(text) for text in texts],
        "hallucination": found,
    }
    scores = {name: np.array(values, dtype=np.float64) for name, values in columns.items()}
    return Answers(embedded(embedder, texts), scores)


def embedded(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    return np.asarray(embedder.embed(texts), dtype=np.float32)
