"""kill -9 at random points: nothing acknowledged is lost, nothing is scored twice."""

import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from driftline.sdk.api import Api
from driftline.sdk.errors import ApiError

EVENTS = 60
SEED = 20260131
COLLECTOR_KILLS = 6
# An event that took its worker down three times is given up as failed, by design: two at most here.
LOOP_KILLS = {"collector": 3, "replay": 3, "worker": 2}
STOP_SECONDS = 60
ALL_TIME = "2000-01-01T00:00:00Z"
ACKNOWLEDGED = re.compile(r"events (\d+)/")

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

Until = Callable[..., None]
Make = Callable[[Path], dict[str, str]]


@dataclass
class Part:
    """One process of the product that can be killed and started again."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.running.append(
                subprocess.Popen(
                    self.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self.environment,
                    start_new_session=True,
                )
            )

    @property
    def exit_code(self) -> int | None:
        return self.running[-1].poll()

    def kill(self) -> None:
        """kill -9, to all of its process group."""
        os.killpg(self.running[-1].pid, signal.SIGKILL)
        self.running[-1].wait(STOP_SECONDS)

    def end(self) -> None:
        if self.running and self.exit_code is None:
            self.kill()


@dataclass
class Product:
    """Collector, worker and replay on one data directory."""

    home: Path
    port: int
    environment: dict[str, str]
    until: Until

    def __post_init__(self) -> None:
        url = f"http://127.0.0.1:{self.port}"
        settings = {"DRIFTLINE_URL": url, "DRIFTLINE_PORT": str(self.port), "OMP_NUM_THREADS": "1"}
        self.environment = self.environment | settings | {"PYTHONUNBUFFERED": "1"}
        self.collector = self.part("collector", "driftline.collector")
        self.api: Api | None = None

    def part(self, name: str, module: str, *arguments: str) -> Part:
        command = [sys.executable, "-m", module, *arguments]
        return Part(name, command, self.environment, self.home / f"{name}.log")

    def start_collector(self) -> Api:
        """Up and ready, with a project."""
        self.collector.start()
        probe = Api(self.environment["DRIFTLINE_URL"], "", retries=0)
        self.until(lambda: probe.ready() or self.collector.exit_code is not None, "the collector")
        assert self.collector.exit_code is None, self.collector.log.read_text()[-3000:]
        if self.api is None:
            key = (self.home / "admin.key").read_text().strip()
            admin = Api(self.environment["DRIFTLINE_URL"], key)
            admin.create_project("kill")
            self.api = admin.for_project("kill")
            self.environment |= {"DRIFTLINE_API_KEY": key, "DRIFTLINE_PROJECT": "kill"}
        return self.api


@pytest.fixture
def product(
    tmp_path: Path, five_ports: Callable[[], int], environment: Make, until: Until
) -> Iterator[Product]:
    made = Product(tmp_path, five_ports(), environment(tmp_path), until)
    parts = [made.collector]
    original = made.part

    def remember(name: str, module: str, *arguments: str) -> Part:
        parts.append(original(name, module, *arguments))
        return parts[-1]

    made.part = remember  # type: ignore[method-assign]
    yield made
    for part in parts:
        part.end()


def stored_ids(api: Api) -> list[str]:
    found: list[str] = []
    cursor = ""
    while True:
        page = api.events(start=ALL_TIME, cursor=cursor, limit=500, order="oldest")
        found += [row.id for row in page.rows]
        cursor = page.next_cursor
        if not cursor:
            return found


def uuid7(number: int, now: datetime) -> str:
    milliseconds = int(now.timestamp() * 1000)
    return str(uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | 0b10 << 62 | number))


class Sender(threading.Thread):
    """Sends batches until told to stop; notes what was acknowledged, repeats what was not."""

    def __init__(self, api: Api, seed: int) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[str] = []
        self.sent: set[str] = set()
        self.done = threading.Event()
        self._api = Api(api.url, api._key, project=api.project, retries=0)
        self._rng = random.Random(seed)
        self._numbers = itertools.count(1)

    def run(self) -> None:
        while not self.done.is_set():
            now = datetime.now(UTC)
            count = self._rng.randint(1, 5)
            lines = [
                {"id": uuid7(n, now), "start_time": now.isoformat(), "output": "x" * 200}
                for n in itertools.islice(self._numbers, count)
            ]
            self.sent.update(str(line["id"]) for line in lines)
            self._deliver(lines)

    def _deliver(self, lines: list[dict[str, object]]) -> None:
        while not self.done.is_set():
            try:
                self._api.send_lines(lines)
            except ApiError:
                self.done.wait(0.05)
                continue
            self.acknowledged += [str(line["id"]) for line in lines]
            return


def test_what_the_collector_acknowledged_survives_its_kill(product: Product, until: Until) -> None:
    api = product.start_collector()
    rng = random.Random(SEED)
    sender = Sender(api, SEED)
    sender.start()
    for _ in range(COLLECTOR_KILLS):
        goal = len(sender.acknowledged) + rng.randint(1, 40)
        until(lambda goal=goal: len(sender.acknowledged) >= goal, "acknowledged batches")
        product.collector.kill()
        promised = set(sender.acknowledged)
        product.start_collector()
        assert promised <= set(stored_ids(api))
    sender.done.set()
    sender.join(STOP_SECONDS)
    found = stored_ids(api)
    assert len(found) == len(set(found))
    assert set(sender.acknowledged) <= set(found) <= sender.sent
    overview = api.overview(start=ALL_TIME, buckets=1)
    assert overview.events == len(found)


def recording(path: Path) -> Path:
    """Sixty short exchanges."""
    rng = random.Random(SEED)
    colours = ["red", "green", "blue", "white"]
    rows = []
    for number in range(EVENTS):
        colour = rng.choice(colours)
        rows.append(
            {
                "id": f"row-{number}",
                "kind": "llm",
                "model": "m",
                "input": f"Which colour has door {number}?",
                "context": [f"Door {number} is {colour}."],
                "output": f"Door {number} is {rng.choice(colours)}.",
                "usage": {"input": 12, "output": 6},
            }
        )
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.mark.model
def test_replay_worker_and_collector_may_die_at_any_time(product: Product, until: Until) -> None:
    api = product.start_collector()
    file = recording(product.home / "rows.jsonl")
    arguments = ("replay", str(file), "--rate", "3", "--run-name", "kill")
    replay = product.part("replay", "driftline.cli", *arguments)
    health = ("--health-port", str(product.port + 2), "--lease-seconds", "5")
    worker = product.part(
        "worker", "driftline.metrics", "--device", "cpu", "--threads", "1", *health
    )
    worker.start()
    replay.start()
    rng = random.Random(SEED)
    parts = [product.collector, replay, worker]
    victims = [part for part in parts for _ in range(LOOP_KILLS[part.name])]
    rng.shuffle(victims)
    victims.remove(replay)
    victims.insert(0, replay)  # the replay is the first to come to its end: kill it early once
    killed = set()
    for victim in victims:
        wait_for_progress(api, rng.randint(1, 8), until)
        promised = acknowledged(replay)
        if victim.exit_code is None:
            victim.kill()
            killed.add(victim.name)
        if victim is product.collector:
            product.start_collector()
        elif victim is worker or replay.exit_code != 0:
            victim.start()
        assert len(set(stored_ids(api))) >= promised
    assert killed == set(LOOP_KILLS)
    finish(product, replay, worker, api, until)
    assert_books_balance(api)


def wait_for_progress(api: Api, steps: int, until: Until) -> None:
    """Until so many more events are stored or scored, or there is nothing more to come."""
    before = api.overview(start=ALL_TIME, buckets=1)

    def moved() -> bool:
        now = api.overview(start=ALL_TIME, buckets=1)
        gone_on = now.events + now.scored - before.events - before.scored
        return gone_on >= steps or now.scored >= EVENTS

    until(moved, "progress of the replay or the worker", 180)


def acknowledged(replay: Part) -> int:
    """Events that the last run of the replay reported as delivered."""
    said = ACKNOWLEDGED.findall(replay.log.read_text()) if replay.log.exists() else []
    return max(map(int, said), default=0)


def finish(product: Product, replay: Part, worker: Part, api: Api, until: Until) -> None:
    """Let the replay end (again, if it was killed) and the worker come to its end."""
    until(lambda: replay.exit_code is not None, "the end of the replay")
    if replay.exit_code != 0:
        replay.start()
        until(lambda: replay.exit_code is not None, "the end of the replay")
    assert replay.exit_code == 0, replay.log.read_text()[-3000:]
    if worker.exit_code is not None:
        worker.start()

    def all_scored() -> bool:
        overview = api.overview(start=ALL_TIME, buckets=1)
        return overview.scored + overview.failed_scoring >= EVENTS and overview.pending == 0

    until(all_scored, "the end of the scoring", 300)


def assert_books_balance(api: Api) -> None:
    ids = stored_ids(api)
    assert len(ids) == len(set(ids)) == EVENTS
    overview = api.overview(start=ALL_TIME, buckets=1)
    scores = {
        event_id: [s for s in api.scores(event_id) if s.source == "worker"] for event_id in ids
    }
    failed = [s for found in scores.values() for s in found if s.label == "failed"]
    assert failed == []
    assert (overview.events, overview.scored, overview.failed_scoring) == (EVENTS, EVENTS, 0)
    for event_id, found in scores.items():
        names = Counter(s.name for s in found)
        assert set(names.values()) == {1}, (event_id, names)
        assert names["scored"] == 1 and names["response_perplexity"] == 1
