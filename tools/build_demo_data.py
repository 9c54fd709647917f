"""Cut the demo's data set out of RAGTruth's question-answering part.

    python tools/build_demo_data.py PATH/ragtruth_qa.jsonl.gz src/driftline/demo/data

Writes `ragtruth_demo.jsonl.gz`: one row a question, with its three retrieved passages, the recorded
answers of llama-2-70b-chat and llama-2-7b-chat, and the spans that human annotators marked as
hallucinated. Every row belongs to one phase of the story:

    baseline  120 questions without the held-out topic, answered by 70b
    calm       60 of the same kind, answered by 70b: must stay stable
    control    60 of the same kind, answered by 70b: the replay "without the change"
    changed    60, of which 24 on the held-out topic, answered by 7b: must be noticed

The held-out topic is cooking (by regular expression: 134 of 905 questions). A question is left out,
in every phase alike, when either answer is longer than MAX_ANSWER characters: it bounds the demo's
time on two cores. Nothing else is selected: the draw is random by SEED.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

SEED = 20231
MAX_ANSWER = 1400
LARGE, SMALL = "llama-2-70b-chat", "llama-2-7b-chat"
PHASES = {"baseline": 120, "calm": 60, "control": 60}
CHANGED, CHANGED_COOKING = 60, 24
COOKING = re.compile(
    r"\b(cook|bake|roast|recipe|grill|ham|beef|pork|chicken|sauce|cream|egg|steak|potato|rice|oven"
    r"|fry|boil|soup|bread|cake|turkey|salmon|fish)",
    re.IGNORECASE,
)
PASSAGE = re.compile(r"\s*passage \d+:")


@dataclass
class Question:
    """One question with the answers of every model."""

    source_id: str
    text: str
    passages: list[str]
    split: str
    answers: dict[str, dict[str, object]] = field(default_factory=dict)

    @property
    def cooking(self) -> bool:
        return COOKING.search(self.text) is not None

    @property
    def short(self) -> bool:
        return all(len(str(self.answers[model]["text"])) <= MAX_ANSWER for model in (LARGE, SMALL))


def read_questions(path: Path) -> list[Question]:
    """The questions in a fixed order, with the two models' answers."""
    questions: dict[str, Question] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["model"] not in (LARGE, SMALL):
                continue
            key = row["source_id"]
            if key not in questions:
                passages = [text.strip() for text in PASSAGE.split(row["context"]) if text.strip()]
                questions[key] = Question(key, row["question"].strip(), passages, row["split"])
            questions[key].answers[row["model"]] = answer(row)
    return [questions[key] for key in sorted(questions)]


def answer(row: dict[str, object]) -> dict[str, object]:
    labels = row["labels"]
    assert isinstance(labels, list)
    spans = [{key: label[key] for key in ("start", "end", "label_type")} for label in labels]
    return {"id": row["id"], "text": row["response"], "hallucinated": spans}


def draw(questions: Iterable[Question], seed: int) -> Iterator[tuple[str, Question]]:
    """Each phase's questions; a question is used once."""
    kept = [q for q in questions if q.short]
    rng = random.Random(seed)
    ordinary = [q for q in kept if not q.cooking]
    cooking = [q for q in kept if q.cooking]
    rng.shuffle(ordinary)
    rng.shuffle(cooking)
    for phase, size in PHASES.items():
        for _ in range(size):
            yield phase, ordinary.pop()
    changed = cooking[:CHANGED_COOKING] + ordinary[: CHANGED - CHANGED_COOKING]
    rng.shuffle(changed)
    yield from (("changed", question) for question in changed)


def as_row(phase: str, question: Question) -> dict[str, object]:
    return {
        "source_id": question.source_id,
        "phase": phase,
        "topic": "cooking" if question.cooking else "ordinary",
        "split": question.split,
        "question": question.text,
        "passages": question.passages,
        "answers": question.answers,
    }


def write(rows: list[dict[str, object]], path: Path) -> None:
    """Byte for byte the same for the same rows (no time stamp, no file name in the gzip header)."""
    text = "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


def shares(pairs: list[tuple[str, Question]]) -> Iterator[str]:
    """How often each phase's answers hold a human-marked hallucination."""
    for phase in (*PHASES, "changed"):
        questions = [q for p, q in pairs if p == phase]
        for model in (LARGE, SMALL):
            texts = [q.answers[model] for q in questions]
            bad = sum(bool(a["hallucinated"]) for a in texts)
            length = sum(len(str(a["text"])) for a in texts) / len(texts)
            yield (
                f"{phase:9} {model:17} n={len(texts):3}  hallucinated {bad / len(texts):.0%}"
                f"  cooking {sum(q.cooking for q in questions) / len(questions):.0%}"
                f"  mean answer {length:.0f} characters"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("source", type=Path, help="ragtruth_qa.jsonl.gz")
    parser.add_argument("folder", type=Path, help="where to write")
    options = parser.parse_args()
    pairs = list(draw(read_questions(options.source), SEED))
    options.folder.mkdir(parents=True, exist_ok=True)
    target = options.folder / "ragtruth_demo.jsonl.gz"
    write([as_row(phase, question) for phase, question in pairs], target)
    print("\n".join(shares(pairs)))
    print(f"{target}: {len(pairs)} rows, {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
