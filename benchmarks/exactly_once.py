"""100,000 events, 20 % sent twice, shuffled, batches cut off half-way, the collector killed -9.

    python benchmarks/exactly_once.py [--events 100000] [--kills 10] [--quick]

Two projects get the same ids with other tokens and costs; an id may come twice, also in one
batch. A batch is done when it is acknowledged; one that was not is sent again after the
restart. At the end events, tokens and cost over every read API must equal the truth exactly.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from ingestbench.killable import Killable
from ingestbench.spans import uuid7
from sdkbench import bench

from driftline.sdk.api import Api

PROJECTS = ("north", "south")
BATCH_EVENTS, SENDERS, SPANS_A_TRACE = 200, 4, 5
SENT_TWICE, CUT_OFF = 0.2, 0.05
DAY_MILLISECONDS = 86_400_000
CENT = 2**-10  # dollars whose sums a float holds exactly
Event = dict[str, object]


@dataclass(frozen=True)
class Sums:
    """Events, tokens in and out, dollars."""

    events: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.events + other.events,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost + other.cost,
        )


def make(count: int, rng: random.Random, now: int) -> dict[str, dict[str, Event]]:
    """Events by project and id. The projects share ids; tokens and cost differ."""
    made: dict[str, dict[str, Event]] = {project: {} for project in PROJECTS}
    for number in range(count // 2):
        at = now - rng.randrange(DAY_MILLISECONDS)
        event_id = uuid7(at, rng)
        for project in PROJECTS:
            made[project][event_id] = {
                "id": event_id,
                "trace_id": f"trace-{number // SPANS_A_TRACE}",
                "start_time": at * 1000,
                "model": rng.choice(("a", "b", "c")),
                "usage": {"input": rng.randrange(1000), "output": rng.randrange(1000)},
                "cost": rng.randrange(1000) * CENT,
                "input": "q" * rng.randrange(200),
                "output": "a" * rng.randrange(200),
            }
    return made


def batches(events: dict[str, Event], rng: random.Random) -> list[bytes]:
    """Every event once and a fifth of them again, in any order."""
    lines = list(events.values())
    lines += rng.sample(lines, int(SENT_TWICE * len(lines)))
    rng.shuffle(lines)
    cut = [lines[at : at + BATCH_EVENTS] for at in range(0, len(lines), BATCH_EVENTS)]
    return ["\n".join(json.dumps(event) for event in batch).encode() for batch in cut]


class Senders:
    """Threads that empty a list of (project, body); a body goes back unless it was acknowledged."""

    def __init__(self, collector: Killable, todo: list[tuple[str, bytes]]) -> None:
        self._collector, self._todo, self.total = collector, todo, len(todo)
        self._mutex = threading.Lock()
        self.done = self.failed = self.cut = 0
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _run(self, seed: int) -> None:
        rng = random.Random(seed)
        while self.done < self.total:
            with self._mutex:
                taken = self._todo.pop() if self._todo else None
            if taken is None:
                time.sleep(0.05)
                continue
            acknowledged = False
            try:
                half = rng.random() < CUT_OFF
                self.cut += half
                acknowledged = self._post(*taken, half)
            except (OSError, http.client.HTTPException):
                self.failed += 1
                time.sleep(0.1)
            with self._mutex:
                if acknowledged:
                    self.done += 1
                else:
                    self._todo.insert(0, taken)

    def _post(self, project: str, body: bytes, half: bool) -> bool:
        """Whether it was acknowledged. `half`: half the lines, and the answer is not read."""
        connection = http.client.HTTPConnection("127.0.0.1", self._collector.port, timeout=120)
        headers = {
            "Authorization": f"Bearer {self._collector.admin_key}",
            "Driftline-Project": quote(project),
        }
        try:
            if half:
                body = body[: body.index(b"\n", len(body) // 2)]
            connection.request("POST", "/v1/events", body, headers)
            if half:
                return False
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status in (429, 500, 503):
            time.sleep(0.2)
            return False
        said = json.loads(text)
        if answer.status != 200 or said["rejected"]:
            raise SystemExit(f"{answer.status}: {text[:300]!r}")
        return True


def truth(events: dict[str, Event]) -> dict[str, Sums]:
    """The sums of each trace."""
    by_trace: dict[str, Sums] = defaultdict(Sums)
    for event in events.values():
        usage, cost = event["usage"], event["cost"]
        assert isinstance(usage, dict) and isinstance(cost, float)
        by_trace[str(event["trace_id"])] += Sums(1, usage["input"], usage["output"], cost)
    return by_trace


def read(api: Api, start: str, end: str) -> dict[str, Sums]:
    """The same sums by every way to read them, and whether each trace agrees."""
    over = api.overview(start=start, end=end, buckets=100)
    ways = {"overview": Sums(over.events, over.input_tokens, over.output_tokens, over.cost)}
    series = [Sums(b.events, b.input_tokens, b.output_tokens, b.cost) for b in over.series]
    ways["series"] = sum(series, Sums())
    events, ids, cursor = Sums(), set(), ""
    while True:
        page = api.events(start=start, end=end, limit=1000, cursor=cursor)
        for row in page.rows:
            ids.add(row.id)
            events += Sums(1, row.input_tokens, row.output_tokens, row.cost or 0.0)
        cursor = page.next_cursor
        if not cursor:
            break
    assert len(ids) == events.events
    ways["events"] = events
    costs = api.costs(start=start, end=end)
    ways["costs"] = sum(
        (Sums(c.events, c.input_tokens, c.output_tokens, c.cost or 0.0) for c in costs), Sums()
    )
    return ways


def read_traces(api: Api, start: str, end: str) -> dict[str, Sums]:
    found: dict[str, Sums] = {}
    cursor = ""
    while True:
        page = api.traces(start=start, end=end, limit=1000, cursor=cursor)
        for t in page.rows:
            assert t.trace_id not in found
            found[t.trace_id] = Sums(t.spans, t.input_tokens, t.output_tokens, t.cost or 0.0)
        cursor = page.next_cursor
        if not cursor:
            return found


def main() -> None:
    parser = argparse.ArgumentParser(description="exactly once")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="4,000 events, 2 kills")
    given = parser.parse_args()
    count, kills = (4000, 2) if given.quick else (given.events, given.kills)
    bench.say_where()
    rng, now = random.Random(20), time.time_ns() // 1_000_000
    made = make(count, rng, now)
    todo = [(p, body) for p in PROJECTS for body in batches(made[p], rng)]
    rng.shuffle(todo)
    start = datetime.fromtimestamp(now / 1000 - 90_000, UTC).isoformat()
    end = datetime.fromtimestamp(now / 1000 + 60, UTC).isoformat()
    with tempfile.TemporaryDirectory() as home:
        collector = Killable(home)
        apis = {project: collector.api(project) for project in PROJECTS}
        began = time.monotonic()
        senders = Senders(collector, todo)
        for kill in range(1, kills + 1):
            while senders.done < senders.total * kill / (kills + 1):
                time.sleep(0.01)
            collector.kill()
            collector.start()
        senders.join()
        seconds = time.monotonic() - began
        print(f"{senders.total} batches acknowledged in {seconds:.0f} s, {kills} kills,", end=" ")
        print(f"{senders.failed} cut by a kill, {senders.cut} by their sender")
        wrong = 0
        print(
            "| project | way | events | tokens in | tokens out | dollars | exact |\n"
            + "|---" * 7
            + "|"
        )
        for project, api in apis.items():
            by_trace = truth(made[project])
            expected = sum(by_trace.values(), Sums())
            ways = read(api, start, end)
            listed = read_traces(api, start, end)
            ways["traces"] = sum(listed.values(), Sums())
            some = rng.sample(sorted(by_trace), min(100, len(by_trace)))
            opened = {}
            for trace_id in some:
                spans = api.trace(trace_id).events
                opened[trace_id] = sum(
                    (Sums(1, s.usage["input"], s.usage["output"], s.cost or 0.0) for s in spans),
                    Sums(),
                )
            exact = {way: sums == expected for way, sums in ways.items()}
            exact["traces"] &= listed == by_trace
            for way, sums in ways.items():
                wrong += not exact[way]
                cells = (sums.events, sums.input_tokens, sums.output_tokens, sums.cost)
                print(f"| {project} | {way} | {' | '.join(map(str, cells))} | {exact[way]} |")
            same = all(opened[trace_id] == by_trace[trace_id] for trace_id in some)
            wrong += not same
            print(f"| {project} | {len(some)} single traces | | | | | {same} |")
        collector.stop()
    print(f"load {os.getloadavg()[0]:.1f}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
