"""Perplexity of 48 real answers: Driftline's scorer and the usual loop, tokens a second.

    python benchmarks/perplexity_speed.py [--rows 48] [--repeats 3] [--threads 0]

The usual loop is that of Hugging Face `evaluate`'s `perplexity` metric with a start token: texts in
the order given, eight a batch, padded to the longest, logits of the whole batch at once. Both run
SmolLM2-135M in float32 and must find the same NLL; the answers are those of the demo (RAGTruth,
MIT). Repeats alternate, so that another process disturbs both; medians are printed.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.resources
import itertools
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence

from driftline.metrics import device as machine
from driftline.metrics import models

os.environ.update(machine.quiet_threads(os.environ))  # before torch is imported

import torch
from torch.nn import functional

from driftline.metrics.perplexity import Pair, PerplexityScorer

BATCH_ROWS = 8
ALL_TOKENS = 2047  # one window less BOS
TOLERANCE = 1e-4


def answers(count: int) -> list[str]:
    """Answers of the demo's recorded traffic, in its order."""
    source = importlib.resources.files("driftline.demo") / "data" / "ragtruth_demo.jsonl.gz"
    with source.open("rb") as raw, gzip.open(raw, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in itertools.islice(lines, count)]
    return [row["answers"]["llama-2-70b-chat"]["text"] for row in rows]


@torch.inference_mode()
def usual_loop(scorer: PerplexityScorer, texts: Sequence[str]) -> list[float]:
    """NLL (nats) of each text, computed as `evaluate` does."""
    sums: list[float] = []
    bos = scorer.tokenizer.bos_token_id
    for start in range(0, len(texts), BATCH_ROWS):
        batch = scorer.tokenizer(
            list(texts[start : start + BATCH_ROWS]),
            add_special_tokens=False,
            padding=True,
            padding_side="right",
            return_tensors="pt",
        )
        column = torch.full((len(batch["input_ids"]), 1), 1)
        ids = torch.cat([column * bos, batch["input_ids"]], dim=1)
        mask = torch.cat([column, batch["attention_mask"]], dim=1)
        logits = scorer.model(ids, attention_mask=mask).logits[:, :-1]
        nll = functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
        sums += (nll * mask[:, 1:]).sum(dim=1).tolist()
    return sums


def ours(scorer: PerplexityScorer, texts: Sequence[str]) -> list[float]:
    return [found.response.nll_sum for found in scorer.score([Pair("", text) for text in texts])]


def seconds(run: Callable[[], list[float]]) -> tuple[float, list[float]]:
    started = time.perf_counter()
    found = run()
    return time.perf_counter() - started, found


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads or machine.usable_cores())
    loaded = PerplexityScorer.load(models.resolve(models.SMOLLM2), "cpu", torch.float32)
    scorer = PerplexityScorer(loaded.model, loaded.tokenizer, loaded.label, max_tokens=ALL_TOKENS)
    texts = answers(options.rows)
    tokens = sum(found.response.n_tokens for found in scorer.score([Pair("", t) for t in texts]))
    ways = {"driftline": ours, "usual loop": usual_loop}
    times: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, list[float]] = {}
    for _ in range(options.repeats):
        for name, way in ways.items():
            spent, found[name] = seconds(lambda way=way: way(scorer, texts))
            times[name].append(spent)
    _report(times, found, tokens, len(texts))


def _report(
    times: dict[str, list[float]], found: dict[str, list[float]], tokens: int, rows: int
) -> None:
    pairs = zip(found["driftline"], found["usual loop"], strict=True)
    difference = max(abs(a - b) / b for a, b in pairs)
    assert difference < TOLERANCE, f"the two disagree by {difference:.1e}"
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{rows} answers, {tokens} tokens, {torch.get_num_threads()} threads, fp32")
    for name, median in medians.items():
        print(f"{name:12} {median:7.2f} s  {tokens / median:7.0f} tokens/s")
    print(f"ratio        {medians['usual loop'] / medians['driftline']:7.2f}")
    print(f"largest relative difference of an answer's NLL: {difference:.1e}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="default: all cores")
    return parser.parse_args()


if __name__ == "__main__":
    main()
