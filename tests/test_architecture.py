"""The shape of the repository: rooms, links, imports, sizes."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ["collector", "dashboard", "finetune", "metrics", "sdk"]
MAX_LINES = 400
STANDARD_LIBRARY = sys.stdlib_module_names


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


ALL_SOURCES = [path for room in ROOMS for path in sources(room)] + sorted(
    path
    for path in (ROOT / "src/driftline").rglob("*.py")
    if path.resolve().is_relative_to(ROOT / "src")
)


def absolute_imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def relative_levels(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield node.level


@pytest.mark.parametrize("room", ROOMS)
def test_each_link_reaches_its_room(room: str) -> None:
    assert (ROOT / "src/driftline" / room).resolve() == ROOT / room


@pytest.mark.parametrize("room", ROOMS)
def test_inside_a_room_imports_are_relative_and_across_rooms_absolute(room: str) -> None:
    for path in sources(room):
        tree = ast.parse(path.read_text())
        for name in absolute_imports(tree):
            assert name.split(".")[0] not in ROOMS, f"{path}: {name} is driftline.{name}"
            script = path.name in ("__main__.py", "app.py", "env.py") or "views" in path.parts
            folder = ".".join(["driftline", *path.parent.relative_to(ROOT).parts])
            assert script or not f"{name}.".startswith(f"{folder}."), f"{path}: {name}"
        assert max(relative_levels(tree), default=0) <= 1, f"{path} climbs out of its folder"


def test_the_sdk_needs_the_standard_library_only() -> None:
    faster_when_present = {"orjson", "zstandard"}
    for path in sources("sdk"):
        for name in absolute_imports(ast.parse(path.read_text())):
            top = name.split(".")[0]
            assert top in STANDARD_LIBRARY | faster_when_present | {"driftline"}, f"{path}: {name}"


@pytest.mark.parametrize("path", ALL_SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_is_one_noun(path: Path) -> None:
    lines = path.read_text().count("\n")
    reasoned = "Longer than 400 lines because" in path.read_text()
    assert lines <= MAX_LINES or reasoned, f"{path} has {lines} lines: split it, or say why"


def test_importing_the_package_imports_no_heavy_library() -> None:
    code = (
        "import sys, driftline;"
        "heavy = {'torch', 'numpy', 'fastapi', 'streamlit', 'sqlalchemy', 'pydantic'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_in_the_repository_reads_the_shared_folder() -> None:
    """Tools that rebuild shipped data take its path as an argument."""
    for path in [*ALL_SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "examples").glob("*.py")]:
        if path != Path(__file__):
            assert "../shared" not in path.read_text(), path
            assert "/work/shared" not in path.read_text(), path
