"""The example of a metric of one's own: installed, found by its entry point, computed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_metric"
LOOK = """
import json
from driftline.metrics.catalog import built_in, installed
from driftline.metrics.measure import measured
from driftline.sdk.records import Event, decode_record, encode

texts = dict.fromkeys(Event.__dataclass_fields__, "")
numbers = {"latency_ms": 1, "time_to_first_token_ms": None, "cost": None, "sample_weight": 1}
empty = {"input": [], "context": [], "token_logprobs": [], "tags": []}
maps = {"usage": {}, "metadata": {}, "truncated": {}}
event = decode_record(Event, {**texts, **numbers, **empty, **maps, "output": "Wow! Fine."})
catalog = installed()
entry = catalog.entries["response_exclamations"]
print(json.dumps({
    "problems": catalog.problems,
    "on": entry.card.name in catalog.defaults,
    "new": sorted(set(catalog.entries) - set(built_in().entries)),
    "card": encode(entry.record()),
    "score": encode(measured(entry.metric, event)),
}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip put the package: nothing is fetched, this environment stays as it is."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(target)]
    done = subprocess.run([*pip, *offline, str(EXAMPLE)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


def python(path: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(path)}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=path)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_worker_would_find_it_and_compute_it(installed: Path) -> None:
    found = json.loads(python(installed, "-c", LOOK))
    assert found["problems"] == [] and found["on"] is True
    assert found["new"] == ["response_exclamations"]
    assert (found["card"]["package"], found["card"]["group"]) == ("exclamation-metric",) * 2
    assert (found["score"]["value"], found["score"]["metric_version"]) == (0.5, "1")


def test_its_own_test_passes(installed: Path) -> None:
    test = str(EXAMPLE / "test_exclamations.py")
    out = python(installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", test)
    assert "9 passed" in out
