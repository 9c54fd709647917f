"""How varied the events of an export are, and what was decided in them.

    driftline export --project shop --since 7d --out shop.jsonl
    python -m driftline.metrics.descriptors shop.jsonl [--label route]

`--label` names a score with labels (a classifier's, a person's): its mix, and how often it flips
between two events of the same prompt.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from driftline.metrics.text import well_formed

from .decisions import Share, flip_rate, label_mix
from .diversity import MAX_PAIRED, distinct_n, self_bleu

MAX_SHOWN = 10
Row = Mapping[str, object]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m driftline.metrics.descriptors")
    parser.add_argument("file", type=Path, help="lines of `driftline export --out NAME.jsonl`")
    parser.add_argument("--label", default="", help="the name of a score with labels")
    said = parser.parse_args(arguments)
    try:
        with said.file.open(encoding="utf-8", errors="surrogatepass") as file:
            rows = [json.loads(line) for line in file if line.strip()]
    except (OSError, ValueError) as error:
        print(f"{said.file} cannot be read: {error}", file=sys.stderr)
        return 2
    print(well_formed("\n".join(report(rows, said.label))))
    return 0


def report(rows: Sequence[Row], label: str = "") -> Iterator[str]:
    """Lines of text about a window of exported events."""
    answers = [str(row["output"]) for row in rows if row.get("kind") == "llm" and row.get("output")]
    yield f"{len(rows)} events, {len(answers)} answers of a model"
    for size in (1, 2):
        yield f"distinct-{size}: {_number(distinct_n(answers, size), 3)}"
    drawn = min(MAX_PAIRED, len(answers))
    yield f"self-BLEU of {drawn} drawn answers: {_number(self_bleu(answers), 1)}"
    yield from _mix(
        "tool", label_mix(str(row.get("name")) for row in rows if row.get("kind") == "tool")
    )
    if label:
        made = [(_prompt(row), said) for row in rows for said in _labels(row, label)]
        yield from _mix(label, label_mix(said for _, said in made))
        flips = flip_rate(made)
        yield f"flips for the same prompt: {_share(flips) if flips else 'not enough data'}"


def _mix(name: str, mix: Mapping[str, Share]) -> Iterator[str]:
    for label, part in list(mix.items())[:MAX_SHOWN]:
        yield f"{name} {label or '(none)'}: {_share(part)}"


def _share(part: Share) -> str:
    return f"{part.share:.1%} [{part.low:.1%}, {part.high:.1%}] ({part.count} of {part.n})"


def _number(value: float | None, digits: int) -> str:
    return "not enough data" if value is None else f"{value:.{digits}f}"


def _prompt(row: Row) -> str:
    return json.dumps(row.get("input"), sort_keys=True)


def _labels(row: Row, name: str) -> Iterator[str]:
    scores = row.get("scores")
    for score in scores if isinstance(scores, list) else []:
        if isinstance(score, dict) and score.get("name") == name and score.get("label"):
            yield str(score["label"])


if __name__ == "__main__":
    sys.exit(main())
