"""How well do the safety metrics do? The tables of docs/safety.md, with 95 % intervals.

    python benchmarks/safety.py DATA [--only pii,secrets,jailbreak,toxicity] [--peer PYTHON MODEL]

DATA is the folder that tools/train_safety.py reads; the same code divides it. --peer: a Python
with presidio-analyzer, and the folder of a spaCy model for it; its rows are printed beside those of
our finders of personal data. Intervals: Wilson's, or the bootstrap's over rows (AUROC, F1,
calibration).
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from intervals import share
from safety_classifiers import jailbreak_table, toxicity_table

from driftline.metrics.safety.credentials import secrets_in
from driftline.metrics.safety.pii import personal_data

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))
import safety_sources as sources
from safety_keys import constructed_secrets

ENTITIES = {
    "PERSON": "name", "STREET_ADDRESS": "address", "CREDIT_CARD": "card", "PHONE_NUMBER": "phone",
    "EMAIL_ADDRESS": "email", "IBAN_CODE": "iban", "US_SSN": "ssn", "IP_ADDRESS": "ip",
}  # fmt: skip
PRESIDIO = {
    "PERSON": "name", "CREDIT_CARD": "card", "PHONE_NUMBER": "phone", "EMAIL_ADDRESS": "email",
    "IBAN_CODE": "iban", "US_SSN": "ssn", "IP_ADDRESS": "ip",
}  # fmt: skip
SAMPLE_ROWS = 120
CLASSIFIED_ROWS = 60  # of each class, each below SAMPLE_CHARACTERS
SAMPLE_CHARACTERS = 3000
Found = list[tuple[int, int, str]]


# ------------------------------------------------------------------------------------------- PII


def held_out_pii(data: Path) -> list[dict[str, object]]:
    """Rows of synth_dataset_v2 whose template is not also in generated_large, where rules were
    tried out."""
    seen = {_shape(row) for row in _pii(data, "generated_large")}
    return [row for row in _pii(data, "synth_dataset_v2") if _shape(row) not in seen]


def _pii(data: Path, name: str) -> list[dict[str, object]]:
    with gzip.open(data / f"pii/{name}.json.gz", "rt", encoding="utf-8") as file:
        return list(json.load(file))


def _shape(row: dict[str, object]) -> str:
    return re.sub(r"\W+", " ", re.sub(r"\{\{.*?\}\}", "_", str(row["masked"])).lower())


def pii_table(data: Path, peer: Sequence[str]) -> None:
    rows = held_out_pii(data)
    print(f"\n### PII: synth_dataset_v2 without known templates, {len(rows)} rows\n")
    texts = [str(row["full_text"]) for row in rows]
    started = time.perf_counter()
    ours = [[(p.start, p.end, p.kind) for p in personal_data(text)] for text in texts]
    print(f"{(time.perf_counter() - started) / len(texts) * 1e3:.3f} ms a row\n")
    print("| detector | kind | n | recall (overlap) | exact recall | precision |")
    print("|---|---|---|---|---|---|")
    _pii_rows("ours", rows, ours)
    if peer:
        theirs = _ask_peer(PRESIDIO_SCRIPT, peer, texts)
        named = [[(s, e, PRESIDIO[k]) for s, e, k in found if k in PRESIDIO] for found in theirs]
        _pii_rows("presidio", rows, named)
    _real_texts(data, peer)


def _pii_rows(name: str, rows: Sequence[dict[str, object]], found: Sequence[Found]) -> None:
    wanted, hit, exact, said, right = (Counter[str]() for _ in range(5))
    for row, places in zip(rows, found, strict=True):
        spans = row["spans"]
        assert isinstance(spans, list)
        gold = [
            (s["start_position"], s["end_position"], ENTITIES[s["entity_type"]])
            for s in spans
            if s["entity_type"] in ENTITIES
        ]
        for start, end, kind in gold:
            wanted[kind] += 1
            hit[kind] += any(k == kind and s < end and start < e for s, e, k in places)
            exact[kind] += (start, end, kind) in places
        for start, end, kind in places:
            said[kind] += 1
            right[kind] += any(k == kind and s < end and start < e for s, e, k in gold)
    for kind in sorted(wanted):
        print(
            f"| {name} | {kind} | {wanted[kind]} | {share(hit[kind], wanted[kind])} "
            f"| {share(exact[kind], wanted[kind])} | {share(right[kind], said[kind])} |"
        )


def _real_texts(data: Path, peer: Sequence[str]) -> None:
    """Places found per 1,000 real texts: there are no labels; a sample was read by a person."""
    print("\nPlaces per 1,000 texts nobody labelled:\n\n| texts | n | detector | by kind |")
    print("|---|---|---|---|")
    for name, texts in real_texts(data).items():
        ours = Counter(place.kind for text in texts for place in personal_data(text))
        _print_rates(name, len(texts), "ours", ours)
        if peer:
            found = _ask_peer(PRESIDIO_SCRIPT, peer, texts)
            theirs = Counter(PRESIDIO[k] for places in found for _, _, k in places if k in PRESIDIO)
            _print_rates(name, len(texts), "presidio", theirs)


def _print_rates(name: str, count: int, who: str, found: Counter[str]) -> None:
    told = ", ".join(f"{kind} {n / count * 1000:.0f}" for kind, n in sorted(found.items()))
    print(f"| {name} | {count} | {who} | {told or 'none'} |")


def real_texts(data: Path) -> dict[str, list[str]]:
    return {
        "arena prompts": sources.arena(data),
        "banking77 test queries": sources.some(sources.banking(data, "test"), 1000),
        "ragtruth test answers": sources.ragtruth(data, "response", "test"),
    }


# --------------------------------------------------------------------------------------- secrets


def secrets_table(data: Path, _: Sequence[str]) -> None:
    rows = constructed_secrets()
    print(f"\n### Secrets: {len(rows)} constructed texts\n")
    print("| kind | n | found |\n|---|---|---|")
    for kind in dict.fromkeys(kind for kind, _, _ in rows):
        of_kind = [(text, secret) for made, text, secret in rows if made == kind]
        hits = sum(
            any(_covers(text[p.start : p.end], secret) for p in secrets_in(text))
            for text, secret in of_kind
        )
        print(f"| {kind} | {len(of_kind)} | {share(hits, len(of_kind))} |")
    print("\nTexts flagged that hold no secret we know of:\n")
    print("| texts | n | flagged |\n|---|---|---|")
    for name, texts in (real_texts(data) | other_texts(data)).items():
        flagged = sum(bool(secrets_in(text)) for text in texts)
        print(f"| {name} | {len(texts)} | {flagged}: {share(flagged, len(texts))} |")


def other_texts(data: Path) -> dict[str, list[str]]:
    return {
        "in-the-wild prompts": sources.in_the_wild(data),
        "mail, hard ham": sources.mail(data, "hard-ham"),
        "halueval answers": sources.halueval(data, sources.ANSWER),
        "arena answers, with code": arena_answers(data),
    }


def arena_answers(data: Path) -> list[str]:
    with gzip.open(data / "arena/answers_gpt-4-0314.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.dumps(json.loads(line)) for line in file]


def _covers(found: str, secret: str) -> bool:
    """All of the secret, or, of a longer one, a part that is no use to anybody else."""
    return secret in found or (found in secret and len(found) >= 12)


# ----------------------------------------------------------------------------------------- peers

PRESIDIO_SCRIPT = """
import json, sys
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NlpEngineProvider
conf = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": sys.argv[1]}]}
engine = AnalyzerEngine(nlp_engine=NlpEngineProvider(nlp_configuration=conf).create_engine(),
                        supported_languages=["en"])
for line in sys.stdin:
    found = engine.analyze(json.loads(line), language="en")
    print(json.dumps([[r.start, r.end, r.entity_type] for r in found if r.score >= 0.35]))
"""


def _ask_peer(script: str, peer: Sequence[str], texts: Sequence[str]) -> list[list[list[object]]]:
    """One answer a text, from another Python."""
    lines = "\n".join(json.dumps(text) for text in texts)
    done = subprocess.run(
        [peer[0], "-W", "ignore", "-c", script, *peer[1:]],
        input=lines, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]


def write_sample(data: Path, into: Path) -> None:
    """A few held-out rows of each task, for tests/metrics/safety."""
    rows = random.Random(0).sample(held_out_pii(data), SAMPLE_ROWS)
    chosen: dict[str, object] = {
        "pii": [{"text": row["full_text"], "spans": row["spans"]} for row in rows]
    }
    for name, labelled in (
        ("jailbreak", sources.jailbreak_rows(data)),
        ("toxicity", sources.toxicity_rows(data)),
    ):
        held = [
            row for row in sources.divide(labelled)["test"] if len(row.text) < SAMPLE_CHARACTERS
        ]
        chosen[name] = {
            kind: sources.some([row.text for row in held if row.label == label], CLASSIFIED_ROWS)
            for label, kind in enumerate(("harmless", "harmful"))
        }
    with gzip.GzipFile(into, "wb", mtime=0) as file:
        file.write(json.dumps(chosen, ensure_ascii=False).encode())


TABLES = {
    "pii": pii_table, "secrets": secrets_table,
    "jailbreak": jailbreak_table, "toxicity": toxicity_table,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", default=",".join(TABLES))
    parser.add_argument("--peer", nargs=2, default=(), metavar=("PYTHON", "MODEL"))
    parser.add_argument("--sample", type=Path, help="write the sample of the tests here, no tables")
    options = parser.parse_args()
    if options.sample:
        return write_sample(options.data, options.sample)
    for name in options.only.split(","):
        TABLES[name](options.data, options.peer)


if __name__ == "__main__":
    main()
