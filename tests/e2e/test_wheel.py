"""`pip install driftline` gives the SDK and nothing else."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_IMPORT_SECONDS = 0.100
ROUNDS = 9
IMPORT = """
import time
begun = time.perf_counter()
import driftline
print(time.perf_counter() - begun)
"""

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = ["-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([sys.executable, *command, str(ROOT)], check=True)
    (built,) = folder.glob("driftline-*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment in which only the wheel was asked for.

    With --no-index a dependency of the wheel would make the installation fail.
    """
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=True)
    interpreter = folder / "bin" / "python"
    run(interpreter, "-m", "pip", "install", "-q", "--no-index", str(wheel))
    return interpreter


def run(interpreter: Path, *arguments: str) -> str:
    """Its output, in an environment that knows nothing of this one."""
    clean = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "DRIFTLINE", "PIP"))
    }
    done = subprocess.run(
        [str(interpreter), *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=clean | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        cwd=interpreter.parent,
    )
    return done.stdout


def test_the_wheel_brings_no_other_distribution(python: Path) -> None:
    listed = json.loads(run(python, "-m", "pip", "list", "--format=json"))
    assert {entry["name"] for entry in listed} - {"pip", "setuptools"} == {"driftline"}


def test_importing_it_takes_less_than_a_tenth_of_a_second(python: Path) -> None:
    """The fastest of several: a busy machine makes an import slower, nothing makes it faster."""
    seconds = [float(run(python, "-c", IMPORT)) for _ in range(ROUNDS)]
    assert min(seconds) < MAX_IMPORT_SECONDS, seconds


def test_the_bare_installation_has_a_command_line_that_names_what_is_missing(python: Path) -> None:
    assert "driftline demo" in run(python, "-m", "driftline.cli", "--help")
    driftline = python.parent / "driftline"
    done = subprocess.run([driftline, "up"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'driftline[collector]'" in done.stderr


def test_the_wheel_keeps_to_its_own_folder_and_holds_the_demos_data_and_licences(
    wheel: Path,
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"driftline"}
    for name in ("ragtruth_demo.jsonl.gz", "LICENSE", "NOTICE"):
        assert f"driftline/demo/data/{name}" in names
    assert "driftline/py.typed" in names
    assert "driftline/cli/main.py" in names
    assert not [name for name in names if "/tests/" in name or "/test_" in name]
