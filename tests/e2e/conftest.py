"""The product as its users start it: real processes, free ports, a data directory of their own."""

import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from driftline.supervisor.ports import is_free

HOST = "127.0.0.1"
DEADLINE_SECONDS = 120.0

Until = Callable[..., None]


@pytest.fixture(scope="session")
def five_ports() -> Callable[[], int]:
    """The first of five neighbouring free ports, below those that the system hands out."""
    rng = random.Random(os.getpid())

    def find() -> int:
        while True:
            first = rng.randrange(20_000, 32_000)
            if all(is_free(HOST, first + n) for n in range(5)):
                return first

    return find


@pytest.fixture(scope="session")
def until() -> Until:
    """Wait for a condition; fails with `what` after `seconds`."""

    def wait(condition: Callable[[], bool], what: str, seconds: float = DEADLINE_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        pause = threading.Event()
        while not condition():
            assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
            pause.wait(0.05)

    return wait


@pytest.fixture(scope="session")
def environment() -> Callable[[Path], dict[str, str]]:
    """This process's environment without its Driftline settings, with a data directory."""

    def make(home: Path) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("DRIFTLINE_")}
        kept.pop("EXIT", None)
        cache = os.environ.get("DRIFTLINE_MODEL_CACHE")
        models = {"DRIFTLINE_MODEL_CACHE": cache} if cache else {}
        folders = {"DRIFTLINE_HOME": str(home), "DRIFTLINE_SPOOL_DIR": str(home / "spool")}
        return kept | models | folders | {"HF_HUB_OFFLINE": "1"}

    return make
