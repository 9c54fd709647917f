"""The engine alone: `raw_insert` of JSONEachRow of the same rows, no HTTP, no checks, one thread.

bare.py ROWS BATCH_ROWS  ->  rows a second
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import orjson

sys.path.insert(0, str(Path(__file__).parent))
from spans import Spans, seed

from driftline.collector.clickhouse import ClickHouse
from driftline.collector.intake import take_in
from driftline.collector.migrate import migrate_clickhouse
from driftline.collector.pipeline import Arrival


def main() -> None:
    rows, size = int(sys.argv[1]), int(sys.argv[2])
    spans, now = Spans(seed()), datetime.now(UTC)
    lines = b"\n".join(orjson.dumps(spans.one()) for _ in range(rows))
    events = take_in(lines, Arrival("bench", now), 2**23).events
    blocks = [
        b"\n".join(event.row for event in events[at : at + size]) for at in range(0, rows, size)
    ]
    with tempfile.TemporaryDirectory() as home:
        store = ClickHouse.open(f"chdb://{home}/clickhouse")
        migrate_clickhouse(store, lambda: now)
        began = time.monotonic()
        for block in blocks:
            store.insert_lines("events", block)
        seconds = time.monotonic() - began
        ((stored,),) = store.query("SELECT uniqExact(id) FROM events")
        store.close()
    assert stored == rows, (stored, rows)
    print(rows / seconds)


if __name__ == "__main__":
    main()
