"""`python -m driftline.metrics.descriptors` over the lines of an export."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from driftline.sdk.records import Event

MakeEvent = Callable[..., Event]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "driftline.metrics.descriptors", *arguments],
        capture_output=True, text=True, encoding="utf-8", timeout=120,
    )  # fmt: skip


def test_a_window_of_exported_events_is_described(make_event: MakeEvent, tmp_path: Path) -> None:
    routes = [("refund", "pay"), ("refund", "talk"), ("order", "pay"), ("refund", "pay")]
    rows = []
    for prompt, route in routes:
        event = make_event("Yes of course we do", prompt=prompt)
        rows.append(asdict(event) | {"scores": [{"name": "route", "label": route, "value": 1}]})
    rows.append(asdict(make_event("", kind="tool", name="search")))
    file = tmp_path / "shop.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    found = run(str(file), "--label", "route").stdout.splitlines()
    assert found == [
        "5 events, 4 answers of a model",
        "distinct-1: 0.250",
        "distinct-2: 0.250",
        "self-BLEU of 4 drawn answers: 100.0",
        "tool search: 100.0% [20.7%, 100.0%] (1 of 1)",
        "route pay: 75.0% [30.1%, 95.4%] (3 of 4)",
        "route talk: 25.0% [4.6%, 69.9%] (1 of 4)",
        "flips for the same prompt: 100.0% [34.2%, 100.0%] (2 of 2)",
    ]


def test_too_few_answers_are_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    found = run(str(tmp_path / "empty.jsonl"))
    assert found.stdout.count("not enough data") == 3
    assert run(str(tmp_path / "none.jsonl")).returncode == 2
