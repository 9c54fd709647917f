"""The benchmark of the drift tests' error rates."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "drift_calibration.py"


def test_it_prints_a_rate_with_its_interval_for_quiet_and_changed_traffic() -> None:
    command = [sys.executable, str(SCRIPT), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("| traffic | reference / window")
    quiet = next(line for line in lines if line.startswith("| no change |"))
    assert "| 60 / 60 | 8 |" in quiet
    assert "[0.000, " in quiet
    assert any(line.startswith("| 40 % on one new topic |") for line in lines)
