"""Embeddings: Driftline's and those of `SentenceTransformer.encode` as it comes, texts a second.

    python benchmarks/embedding_throughput.py PATH/ragtruth_qa.jsonl.gz [--texts 96] [--repeats 5]

The same model (all-MiniLM-L6-v2, float32), texts and threads; repeats alternate, medians are
printed. Ours begins without remembered texts each time. Workloads:

    answers     answers of models to questions, all different
    questions   short texts, all different
    traffic     questions, answers and passages as a worker gets them: four answers to each
                question, so that questions and passages come again
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import time
from pathlib import Path

from driftline.metrics import device as machine
from driftline.metrics import models

os.environ.update(machine.quiet_threads(os.environ))  # before torch is imported

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from driftline.metrics.embeddings import Embedder, Vectors


def workloads(path: Path, count: int) -> dict[str, list[str]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    step = max(1, len(rows) // count)
    answers = list(dict.fromkeys(row["response"] for row in rows[::step]))
    questions = list(dict.fromkeys(row["question"] for row in rows))
    traffic = [text for row in rows for text in (row["question"], row["response"], *_passages(row))]
    return {
        "answers": answers[:count],
        "questions": questions[: 4 * count],
        "traffic": traffic[: 2 * count],
    }


def _passages(row: dict[str, object]) -> list[str]:
    """The three retrieved passages; the file holds them as one text or as a list."""
    context = row["context"]
    if isinstance(context, str):
        return [part for part in context.split("\n\n") if part.strip()]
    return [str(part) for part in context] if isinstance(context, list) else []


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads or machine.usable_cores())
    model = SentenceTransformer(
        str(models.resolve(models.MINILM).path), device="cpu", local_files_only=True
    )
    print(
        f"all-MiniLM-L6-v2, float32, {torch.get_num_threads()} threads, {options.repeats} repeats"
    )
    print("| workload | texts | different | driftline texts/s | encode | ratio | least cosine |")
    print("|---|---|---|---|---|---|---|")
    for name, texts in workloads(options.data, options.texts).items():
        if not options.only or name in options.only:
            print(measured(name, model, texts, options.repeats), flush=True)


def measured(name: str, model: SentenceTransformer, texts: list[str], repeats: int) -> str:
    ours: list[float] = []
    plain: list[float] = []
    for _ in range(repeats):
        fresh = Embedder(model, "fresh")
        started = time.perf_counter()
        found = fresh.embed(texts)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        expected = model.encode(texts, show_progress_bar=False)
        plain.append(time.perf_counter() - started)
    fast, slow = statistics.median(ours), statistics.median(plain)
    ratios = [b / a for a, b in zip(ours, plain, strict=True)]
    return (
        f"| {name} | {len(texts)} | {len(set(texts))} | {len(texts) / fast:.1f} | "
        f"{len(texts) / slow:.1f} | {slow / fast:.2f} ({min(ratios):.2f} to {max(ratios):.2f}) | "
        f"{least_cosine(found, expected):.6f} |"
    )


def least_cosine(found: Vectors, expected: Vectors) -> float:
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    return float(np.min(np.sum(found * expected, axis=1) / lengths))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="ragtruth_qa.jsonl.gz")
    parser.add_argument("--texts", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="*", help="workloads")
    parser.add_argument("--threads", type=int, default=0, help="default: all cores")
    return parser.parse_args()


if __name__ == "__main__":
    main()
