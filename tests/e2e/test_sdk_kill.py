"""Apps are killed while they log and deliver: the real collector counts every event once."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from driftline.sdk.api import Api

KILLS = 5
SEED = 20261121
STOP_SECONDS = 60
ALL_TIME = "2000-01-01T00:00:00Z"
APP = """
import driftline, itertools
for n in itertools.count():
    driftline.log(name=str(n), input="x" * 500)
    print(n)
"""
DELIVER = "import driftline; driftline.init(); driftline.shutdown(20)"

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def logged_until_killed(environment: dict[str, str], seconds: float) -> int:
    """How many calls of `driftline.log` had returned when the app was killed."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", APP], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.kill()
    rest = process.stdout.read()
    process.stdout.close()
    process.wait()
    return 1 + rest.count("\n")


def test_every_event_of_killed_apps_is_counted_once(
    tmp_path: Path,
    five_ports: Callable[[], int],
    environment: Callable[[Path], dict[str, str]],
    until: Callable[..., None],
) -> None:
    port = five_ports()
    url = f"http://127.0.0.1:{port}"
    env = environment(tmp_path) | {"DRIFTLINE_PORT": str(port)}
    with (tmp_path / "log").open("wb") as log:
        collector = subprocess.Popen(
            [sys.executable, "-m", "driftline.collector"], env=env, stdout=log, stderr=log
        )
    try:
        until(lambda: Api(url, "", retries=0).ready(), "the collector")
        admin = Api(url, (tmp_path / "admin.key").read_text().strip())
        admin.create_project("kill")
        api = admin.for_project("kill")
        app = env | {
            "DRIFTLINE_URL": url,
            "DRIFTLINE_API_KEY": api.create_key("ingest", "app").secret,
            "DRIFTLINE_DURABILITY": "call",
            "DRIFTLINE_FLUSH_SECONDS": "0.05",
        }
        app = {k: v for k, v in app.items() if k != "PYTEST_CURRENT_TEST"}
        rng = random.Random(SEED)
        logged = sum(logged_until_killed(app, rng.uniform(0.1, 1.0)) for _ in range(KILLS))

        def nothing_left() -> bool:
            subprocess.run([sys.executable, "-c", DELIVER], env=app, check=True, timeout=60)
            return not list(Path(env["DRIFTLINE_SPOOL_DIR"]).rglob("*.seg"))

        until(nothing_left, "all is delivered")
        stored = api.overview(start=ALL_TIME).events
        # A kill may come between a call's write and the app's print.
        assert logged <= stored <= logged + KILLS, os.fspath(tmp_path)
    finally:
        collector.terminate()
        collector.wait(STOP_SECONDS)
