"""How much of labelled personal data redaction replaces, and how much else; and how fast.

    python benchmarks/redaction.py /work/shared/data/pii/generated_large.json.gz

The file: sentences with character spans (presidio-research). Recall: labelled spans of which
nothing is left. Precision: replaced places that touch a span labelled alike. 95 % Wilson intervals.
"""

from __future__ import annotations

import gzip
import json
import math
import sys
import time
from collections import Counter
from pathlib import Path

from driftline.sdk.redact import Redactor
from driftline.sdk.redact_kinds import KINDS

LABELS = {
    "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone",
    "CREDIT_CARD": "card",
    "IBAN_CODE": "iban",
    "IP_ADDRESS": "ip",
}
Z = 1.96


def wilson(k: int, n: int) -> str:
    """A share and its interval."""
    if not n:
        return "-"
    p, z2 = k / n, Z * Z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return f"{p:.3f} [{middle - half:.3f}, {middle + half:.3f}] ({k}/{n})"


def measure(path: Path, show: int) -> None:
    """Print a table of a labelled file."""
    hit, labelled, right, found = (Counter[str]() for _ in range(4))
    for row in json.loads(gzip.decompress(path.read_bytes())):
        text = row["full_text"]
        gold = [
            (LABELS.get(s["entity_type"], ""), s["start_position"], s["end_position"])
            for s in row["spans"]
        ]
        places = {kind: list(find(text)) for kind, find in KINDS.items()}
        hidden = {i for spans in places.values() for a, b in spans for i in range(a, b)}
        for kind, start, end in gold:
            if kind:
                labelled[kind] += 1
                gone = all(i in hidden for i in range(start, end) if not text[i].isspace())
                hit[kind] += gone
                if not gone and show:
                    print("missed", kind, repr(text[start:end]))
        for kind, spans in places.items():
            for start, end in spans:
                found[kind] += 1
                good = any(k == kind and a < end and start < b for k, a, b in gold)
                right[kind] += good
                if not good and show:
                    print("wrong", kind, repr(text[start:end]), "in", repr(text[:90]))
    for kind in KINDS:
        print(
            f"| {kind} | {wilson(hit[kind], labelled[kind])} | {wilson(right[kind], found[kind])} |"
        )


def speed(path: Path) -> None:
    """Megabytes a second over the file's sentences, joined to texts of 2 KB."""
    text = " ".join(r["full_text"] for r in json.loads(gzip.decompress(path.read_bytes())))
    texts = [text[i : i + 2000] for i in range(0, len(text), 2000)]
    redact = Redactor(["all"])
    rates = []
    for _ in range(5):
        start = time.perf_counter()
        for piece in texts:
            redact.text(piece)
        rates.append(len(text) / (time.perf_counter() - start) / 1e6)
    middle = sorted(rates)[2]
    print(f"{middle:.1f} MB/s, {2000 / middle:.0f} µs for 2 KB (median of 5, all kinds)")


if __name__ == "__main__":
    measure(Path(sys.argv[1]), len(sys.argv) > 2)
    speed(Path(sys.argv[1]))
