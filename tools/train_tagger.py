"""Train the span tagger: which characters of an answer its context does not support.

    python tools/train_tagger.py PATH/ragtruth_qa.jsonl.gz metrics/data/tagger.safetensors

Rows of RAGTruth's QA task (Niu et al., ACL 2024) with split "train" only, divided by question as
tools/train_hallucination.py divides them. all-MiniLM-L6-v2 with its embeddings frozen, five token
types (driftline.metrics.tagging.Kind) and one logit a piece; loss on the answer's pieces and, a
little, on whether the answer holds any. No dropout (with it PyTorch leaves its fused attention).
About 17 minutes an epoch on two cores.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

os.environ.update({"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0", "HF_HUB_OFFLINE": "1"})

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from train_hallucination import SEED, auroc, held_questions, read_rows

from driftline.metrics import models
from driftline.metrics.cores import Cores, usage
from driftline.metrics.device import usable_cores
from driftline.metrics.tagger import Tagger, blank_tagger, learnable, load_tagger, save_tagger
from driftline.metrics.tagging import TagInput, sequences

BATCH = 16
WARMUP = 0.06
HIGHEST = 5  # pieces that stand for their answer
ANSWER_SHARE = 0.2  # of the loss on answers


@dataclass(frozen=True, slots=True)
class Example:
    """One sequence, the label of each of its answer's pieces, and the answer's number."""

    sequence: TagInput
    labels: list[float]
    answer: int


def read(path: Path, tagger: Tagger) -> tuple[list[Example], list[Example]]:
    rows = read_rows(path, "train")
    held = held_questions(row["source_id"] for row in rows)
    parts: tuple[list[Example], list[Example]] = ([], [])
    for number, row in enumerate(rows):
        for made in sequences(tagger.tokenizer, row["question"], [row["context"]], row["response"]):
            labels = [
                float(any(s["start"] < end and s["end"] > start for s in row["labels"]))
                for start, end in made.offsets
            ]
            parts[row["source_id"] in held].append(Example(made, labels, number))
    return parts


def batches(examples: list[Example], rng: random.Random) -> list[list[Example]]:
    """Shuffled, of like lengths: little padding, different neighbours each epoch."""
    keyed = sorted(examples, key=lambda e: len(e.sequence.ids) + rng.uniform(-24, 24))
    made = [keyed[at : at + BATCH] for at in range(0, len(keyed), BATCH)]
    rng.shuffle(made)
    return made


def loss_of(tagger: Tagger, pool: torch.nn.Linear, batch: list[Example]) -> torch.Tensor:
    """Of the pieces, and of the answers by their highest pieces: what ranks answers is trained."""
    logits = tagger.logits([example.sequence for example in batch])
    wanted = torch.tensor([label for example in batch for label in example.labels])
    highest = torch.stack([one.topk(min(HIGHEST, len(one))).values.mean() for one in logits])
    held = torch.tensor([max(example.labels) for example in batch])
    of_pieces = binary_cross_entropy_with_logits(torch.cat(logits), wanted)
    of_answers = binary_cross_entropy_with_logits(pool(highest[:, None])[:, 0], held)
    return of_pieces + ANSWER_SHARE * of_answers


@torch.inference_mode()
def judge(tagger: Tagger, examples: list[Example]) -> dict[str, float]:
    """Piece AUROC, answer AUROC by the highest piece, best piece F1; on validation only."""
    scores: list[float] = []
    labels: list[float] = []
    highest: dict[int, float] = {}
    truth: dict[int, float] = {}
    ordered = sorted(examples, key=lambda e: len(e.sequence.ids))
    for at in range(0, len(ordered), BATCH):
        batch = ordered[at : at + BATCH]
        for example, logits in zip(batch, tagger.logits([e.sequence for e in batch]), strict=True):
            scores += logits.tolist()
            labels += example.labels
            top = max(logits.tolist())
            highest[example.answer] = max(highest.get(example.answer, -99.0), top)
            truth[example.answer] = max(truth.get(example.answer, 0.0), max(example.labels))
    keys = list(highest)
    return {
        "piece_auroc": area(labels, scores),
        "answer_auroc": area([truth[k] for k in keys], [highest[k] for k in keys]),
        "piece_f1": best_f1(labels, scores),
    }


def area(labels: list[float], scores: list[float]) -> float:
    return round(auroc(np.array(labels), np.array(scores)), 4)


def best_f1(labels: list[float], scores: list[float]) -> float:
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    hits, best, ones = 0.0, 0.0, sum(labels)
    for count, at in enumerate(order, 1):
        hits += labels[at]
        best = max(best, 2 * hits / (count + ones))
    return round(best, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("source", type=Path, help="ragtruth_qa.jsonl.gz")
    parser.add_argument("target", type=Path, help="the weights to write, after each epoch")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--rows", type=int, default=0, help="only so many sequences (a trial)")
    parser.add_argument("--begin", type=Path, help="weights that an earlier run wrote")
    options = parser.parse_args()
    torch.manual_seed(SEED)
    cores = Cores(0, usable_cores(), torch.set_num_threads, usage)
    model = models.resolve(models.MINILM)
    tagger = load_tagger(model, options.begin) if options.begin else blank_tagger(model)
    learnable(tagger)
    fit, held = read(options.source, tagger)
    fit = fit[: options.rows or None]
    print(f"{len(fit)} sequences to fit, {len(held)} to validate", flush=True)
    pool = torch.nn.Linear(1, 1)
    pool.weight.data.fill_(1.0)
    pool.bias.data.fill_(1.5)
    trained = [p for p in tagger.parameters() if p.requires_grad] + list(pool.parameters())
    optimizer = torch.optim.AdamW(trained, lr=options.rate, weight_decay=0.01)
    steps = options.epochs * -(-len(fit) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / (WARMUP * steps), (steps - step) / ((1 - WARMUP) * steps)),
    )
    rng = random.Random(SEED)
    begun, done = time.monotonic(), 0
    for epoch in range(1, options.epochs + 1):
        total = 0.0
        for batch in batches(fit, rng):
            cores.adjust()
            loss = loss_of(tagger, pool, batch)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            schedule.step()
            total, done = total + loss.item(), done + 1
            if done % 20 == 0:
                pace = (time.monotonic() - begun) / done
                left = f"{(steps - done) * pace / 60:.0f} min left"
                print(f"step {done}/{steps} loss {loss.item():.4f} {left}", file=sys.stderr)
        found = judge(tagger, held)
        print(f"epoch {epoch}: loss {total * BATCH / len(fit):.4f} {found}", flush=True)
        save_tagger(tagger, options.target, {"epoch": epoch, "rate": options.rate, **found})


if __name__ == "__main__":
    main()
