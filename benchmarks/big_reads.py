"""Lists, charts and one long trace over many spans, through the HTTP API: p50, p95, bar.

    python benchmarks/big_reads.py [--spans 10000000] [--reads 20] [--quick]

The spans are made in the engine (`INSERT … SELECT … numbers()`), spread over 7 days, one trace of
50,000 among them. The naive alternative for the chart is counting `events FINAL` in the engine.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ingestbench.killable import Killable
from ingestbench.spans import Spans
from sdkbench import bench

from driftline.collector.clickhouse import ClickHouse
from driftline.sdk.api import Api

LONG_TRACE, LONG_SPANS, BLOCK = "long", 50_000, 1_000_000
WEEK = timedelta(days=7)
READY_SECONDS = 900
# A UUIDv7 whose time is `ms` and whose rest is made of the row's number.
FILL = """
INSERT INTO events (project, id, trace_id, span_id, session_id, user_id, kind, name, start_time,
    end_time, latency_ms, model, environment, status, input_tokens, output_tokens, cost,
    input_preview, output_preview, input, output, ingested_at)
SELECT {project:String},
    toUUID(concat(substring(h, 1, 8), '-', substring(h, 9, 4), '-7',
        substring(r, 1, 3), '-8', substring(r, 4, 3), '-', substring(r, 7, 10), '00')),
    if(number < {long:UInt64}, 'long', concat('trace-', toString(intDiv(number, 10)))),
    toString(number), concat('session-', toString(number % 100000)),
    concat('user-', toString(number % 20000)), 'llm', 'answer',
    at, at + toIntervalMillisecond(latency), latency,
    arrayElement(['gpt-4o-mini', 'claude', 'llama'], 1 + number % 3), 'default',
    if(number % 50 = 0, 'error', 'ok'), 100 + number % 400, 50 + number % 300, 0.001,
    'What is the answer to this?', 'It is this.', '[{"role":"user","content":"What?"}]', 'This.', at
FROM (
    SELECT number, leftPad(hex(sipHash64(number)), 16, '0') AS r, 100 + number % 3000 AS latency,
        {from:UInt64} + intDiv(number * {span_ms:UInt64}, {count:UInt64}) AS ms,
        fromUnixTimestamp64Milli(toInt64(ms), 'UTC') AS at,
        lower(substring(hex(toUInt64(ms)), -12)) AS h0, leftPad(h0, 12, '0') AS h
    FROM numbers({first:UInt64}, {block:UInt64})
)
"""


def fill(home: str, count: int, start: datetime) -> float:
    """Make the spans, in the project of the one event that is stored. Returns FINAL's seconds."""
    store = ClickHouse.open(f"chdb://{home}/clickhouse")
    ((project,),) = store.query("SELECT any(project) FROM events")
    for first in range(0, count, BLOCK):
        store.command(
            FILL,
            **{
                "project": project,
                "long": LONG_SPANS,
                "from": int(start.timestamp() * 1000),
                "span_ms": int(WEEK.total_seconds() * 1000) - 60_000,
                "count": count,
                "first": first,
                "block": min(BLOCK, count - first),
            },
        )
    began = time.monotonic()
    store.query(
        "SELECT toStartOfHour(id_time) AS t, count(), sum(input_tokens), sum(cost) "
        "FROM events FINAL WHERE project = {project:String} GROUP BY t",
        project=project,
    )
    seconds = time.monotonic() - began
    store.close()
    return seconds


def wait_for_charts(api: Api, start: str, end: str, count: int) -> None:
    """Until the collector has counted all events: before, it works beside the reads."""
    began = time.monotonic()
    while api.overview(start=start, end=end).events < count:
        if time.monotonic() - began > READY_SECONDS:
            raise SystemExit("the charts did not catch up")
        time.sleep(0.5)
    print(f"charts caught up {time.monotonic() - began:.0f} s after the start", flush=True)


def timed(read: Callable[[], object], reads: int) -> bench.Row:
    read()
    spent = []
    for _ in range(reads):
        began = time.monotonic()
        read()
        spent.append(1000 * (time.monotonic() - began))
    spent.sort()
    return {"p50": spent[len(spent) // 2], "p95": spent[int(0.95 * (len(spent) - 1))]}


def reads_of(api: Api, start: str, end: str) -> dict[str, tuple[float, Callable[[], object]]]:
    """What is read, by name, and its bar in milliseconds."""
    when = {"start": start, "end": end}
    deep = api.events(start=start, end=end, limit=1, order="oldest").rows[0].id
    middle = f"{deep[:4]}{int(deep[4:8], 16) + 1:04x}{deep[8:]}"
    second = api.trace(LONG_TRACE).next_cursor
    late = (
        f"{deep[:4]}{int(deep[4:8], 16) + 40:04x}{deep[8:]}"  # 44 minutes in, of 50 at 10 million
    )
    return {
        "list, first page": (300, lambda: api.events(**when)),
        "list, by model": (300, lambda: api.events(**when, model="claude")),
        "list, errors": (300, lambda: api.events(**when, status="error")),
        "list, by user": (300, lambda: api.events(**when, user_id="user-77")),
        "list, by session": (300, lambda: api.events(**when, session_id="session-77")),
        "list, deep cursor": (300, lambda: api.events(**when, cursor=middle)),
        "traces, first page of 7 days": (300, lambda: api.traces(**when)),
        "overview, 7 days": (500, lambda: api.overview(**when)),
        "costs, 7 days": (500, lambda: api.costs(**when)),
        f"trace of {LONG_SPANS:,} spans": (2000, lambda: api.trace(LONG_TRACE)),
        "its second page": (2000, lambda: api.trace(LONG_TRACE, cursor=second)),
        "its page with a late span": (2000, lambda: api.trace(LONG_TRACE, event=late)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="reads of many spans")
    parser.add_argument("--spans", type=int, default=10_000_000)
    parser.add_argument("--reads", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="200,000 spans, 3 reads")
    given = parser.parse_args()
    count, reads = (200_000, 3) if given.quick else (given.spans, given.reads)
    bench.say_where()
    end = datetime.now(UTC)
    start = end - WEEK
    with tempfile.TemporaryDirectory() as home:
        collector = Killable(home)
        collector.api("bench").send_lines([Spans(1).one()])
        collector.stop()
        began = time.monotonic()
        final = fill(home, count, start)
        print(f"{count:,} spans made in {time.monotonic() - began:.0f} s", flush=True)
        collector.start()
        api = collector.api("bench")
        bounds = (start.isoformat(), (end + timedelta(minutes=5)).isoformat())
        wait_for_charts(api, *bounds, count)
        rows: dict[str, bench.Row] = {}
        for name, (bar, read) in reads_of(api, *bounds).items():
            rows[name] = timed(read, reads) | {"bar": bar}
        rows["naive chart: events FINAL in the engine"] = {"p50": 1000 * final}
        columns = {"p50 ms": "p50:.0f", "p95 ms": "p95:.0f", "bar": "bar:.0f"}
        bench.table(f"{count:,} spans", columns, rows)
        print(f"memory {collector.memory() / 2**20:.0f} MiB, load {os.getloadavg()[0]:.1f}")
        collector.stop()


if __name__ == "__main__":
    main()
