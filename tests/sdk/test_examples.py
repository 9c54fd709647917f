"""The examples run, offline and against a collector."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, **environ: str) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("DRIFTLINE_", "OPENAI_"))}
    env.pop("PYTEST_CURRENT_TEST", None)
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        env=env | environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("name", "lines"), [("quickstart.py", 15), ("wrap_openai.py", 3), ("plain_log.py", 4)]
)
def test_an_example_runs_offline(name: str, lines: int) -> None:
    assert f"Stats(accepted={lines}, queued=0, sampled_out=0, lost={{}}, " in run(name)


@pytest.mark.parametrize(
    ("name", "models"), [("quickstart.py", {"quote-1"}), ("wrap_openai.py", {"parrot-1"})]
)
def test_an_example_logs_to_the_collector_it_is_given(
    sink: Any, name: str, models: set[str]
) -> None:
    run(name, DRIFTLINE_URL=sink.url, DRIFTLINE_API_KEY="k")
    assert {event["model"] for event in sink.events if event.get("kind") == "llm"} == models
