"""What holds for every test: nothing is written where the user's own data is."""

import os
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# The files that take longest (minutes to half a minute), the longest first: begun last, one of them
# would keep the whole run waiting on one core.
LONGEST = (
    "e2e/test_demo.py",
    "finetune/test_gate.py",
    "collector/test_openapi.py",
    "finetune/test_job.py",
    "metrics/test_models.py",
    "metrics/test_worker.py",
    "e2e/test_kill.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; the order within a file stays."""
    here = Path(__file__).parent
    rank = {str(here / name): at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(str(item.path), len(rank)))


@pytest.fixture(autouse=True, scope="session")
def spool_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The SDK's spool of processes that outlive one test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRIFTLINE_SPOOL_DIR", os.fspath(tmp_path_factory.mktemp("spool")))
        yield


@pytest.fixture(autouse=True)
def spool_of_the_test(
    spool_of_the_session: None,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each test has a spool for itself, and so have the processes that it starts."""
    monkeypatch.setenv("DRIFTLINE_SPOOL_DIR", os.fspath(tmp_path_factory.mktemp("spool")))


@pytest.fixture
def providers() -> Iterator[Any]:
    """A server that speaks OpenAI's and Anthropic's wire (tests/providers.py)."""
    server = runpy.run_path(str(Path(__file__).with_name("providers.py")))["Providers"]()
    yield server
    server.stop()
