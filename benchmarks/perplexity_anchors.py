"""Perplexity of WikiText-2 by window and stride, beside the numbers that others measured.

    python benchmarks/perplexity_anchors.py PATH/test.txt.gz [--bytes 60078] [--only 1024/512]

The text is the tokenised variant of the test split. Its first bytes are one sequence, cut into
windows of so many tokens that begin a stride apart; each token is scored once, in the first window
that holds it. As in the anchors there is no start token, so the first token of the text, and with
windows that do not overlap the first of every window, goes unscored (`driftline` prepends the start
token to a text and lets windows overlap, so that every token is scored). Printed as they come.
"""

from __future__ import annotations

import argparse
import gzip
import math
import os
import time
from pathlib import Path

from driftline.metrics import device as machine
from driftline.metrics import models

os.environ.update(machine.quiet_threads(os.environ))  # before torch is imported

import torch

from driftline.metrics.passes import Passes, Row
from driftline.metrics.perplexity import Nll, PerplexityScorer

# window/stride -> token perplexity, bits a byte, of the first 60,078 bytes, in bfloat16
ANCHORS = {
    "512/512": (24.82, 1.2147),
    "512/256": (19.00, 1.1157),
    "1024/1024": (19.86, 1.1315),
    "1024/512": (16.50, 1.0622),
    "2048/2048": (17.04, 1.0740),
}
ANCHOR_BYTES = 60_078
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads or machine.usable_cores())
    device = machine.pick_device("auto")
    found = models.resolve(models.SMOLLM2)
    scorer = PerplexityScorer.load(found, device, DTYPES[options.dtype])
    text = gzip.decompress(options.data.read_bytes())[: options.bytes].decode()
    ids = list(scorer.tokenizer(text, add_special_tokens=False)["input_ids"])
    print(f"{len(text.encode())} bytes, {len(ids)} tokens, {options.dtype}")
    passes = Passes(scorer.model)
    for name, anchor in ANCHORS.items():
        if not options.only or name in options.only:
            line = measured(passes, ids, len(text.encode()), name)
            compare = f"  anchor {anchor[0]:.2f}, {anchor[1]:.4f}"
            print(line + (compare if options.bytes == ANCHOR_BYTES else ""), flush=True)


def rows(ids: list[int], window: int, stride: int) -> list[Row]:
    """Windows that begin a stride apart, until one reaches the end."""
    found = []
    scored = 0
    for start in range(0, len(ids), stride):
        part = ids[start : start + window]
        found.append(Row(part, max(1, scored - start)))
        scored = start + len(part)
        if scored == len(ids):
            break
    return [row for row in found if len(row.ids) > row.first]


def measured(passes: Passes, ids: list[int], n_bytes: int, name: str) -> str:
    window, stride = map(int, name.split("/"))
    started = time.perf_counter()
    values = [value for row in passes.nll(rows(ids, window, stride)) for value in row]
    seconds = time.perf_counter() - started
    total = Nll(math.fsum(values), len(values), n_bytes)
    return (
        f"{name:10} perplexity {total.perplexity:.3f}  bits/byte {total.bits_per_byte:.4f}  "
        f"{len(values)} tokens scored in {seconds:.0f} s"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="test.txt.gz")
    parser.add_argument("--bytes", type=int, default=ANCHOR_BYTES)
    parser.add_argument("--only", nargs="*", help="such as 1024/512")
    parser.add_argument("--dtype", choices=list(DTYPES), default="float32")
    parser.add_argument("--threads", type=int, default=0, help="default: all cores")
    return parser.parse_args()


if __name__ == "__main__":
    main()
