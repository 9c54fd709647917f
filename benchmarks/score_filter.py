"""The list filtered by a score, over many events with many scores, through the HTTP API: p50, p95.

    python benchmarks/score_filter.py [--spans 1000000] [--reads 10] [--quick]

Each event has 20 scores with values spread evenly over 0 to 1, so a bound says how rare a match is:
of a million events 100 are at or above 0.9999. What no event reaches is looked for in all of them.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from big_reads import WEEK, fill, timed, wait_for_charts
from ingestbench.killable import Killable
from ingestbench.spans import Spans
from sdkbench import bench

from driftline.collector.clickhouse import ClickHouse
from driftline.sdk.api import Api

SCORES, AT_ONCE = 20, 4
SCORE = """
INSERT INTO scores (project, event_id, name, value, source, metric_version, computed_at)
SELECT project, id, concat('score_', toString(k)), sipHash64(id, k) / pow(2, 64),
    'worker', '1', now64(6)
FROM events ARRAY JOIN range({first:UInt8}, {last:UInt8}) AS k
"""


def score(home: str) -> None:
    """Give every event its scores."""
    store = ClickHouse.open(f"chdb://{home}/clickhouse")
    for first in range(0, SCORES, AT_ONCE):
        store.command(SCORE, first=first, last=first + AT_ONCE)
    store.close()


def reads_of(api: Api, start: str, end: str) -> dict[str, Callable[[], object]]:
    when = {"start": start, "end": end, "score": "score_3"}
    return {
        "no filter": lambda: api.events(start=start, end=end),
        "at least 0.5": lambda: api.events(**when, score_min=0.5),
        "at least 0.5, oldest first": lambda: api.events(**when, score_min=0.5, order="oldest"),
        "at least 0.999": lambda: api.events(**when, score_min=0.999),
        "at least 0.9999": lambda: api.events(**when, score_min=0.9999),
        "at least 2: none": lambda: api.events(**when, score_min=2),
        "a user's, at least 0": lambda: api.events(**when, score_min=0, user_id="user-77"),
        "a user's, no filter": lambda: api.events(start=start, end=end, user_id="user-77"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="lists filtered by a score")
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--reads", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="100,000 spans, 3 reads")
    given = parser.parse_args()
    count, reads = (100_000, 3) if given.quick else (given.spans, given.reads)
    bench.say_where()
    end = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as home:
        collector = Killable(home)
        collector.api("bench").send_lines([Spans(1).one()])
        collector.stop()
        fill(home, count, end - WEEK)
        score(home)
        collector.start()
        bounds = ((end - WEEK).isoformat(), (end + timedelta(minutes=5)).isoformat())
        api = collector.api("bench")
        wait_for_charts(api, *bounds, count)
        rows = {name: timed(read, reads) for name, read in reads_of(api, *bounds).items()}
        columns = {"p50 ms": "p50:.0f", "p95 ms": "p95:.0f"}
        bench.table(f"{count:,} events, {SCORES} scores each, 100 a page", columns, rows)
        print(f"memory {collector.memory() / 2**20:.0f} MiB, load {os.getloadavg()[0]:.1f}")
        collector.stop()


if __name__ == "__main__":
    main()
