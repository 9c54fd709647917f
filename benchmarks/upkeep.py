"""Seconds to price a project again, delete a user and drop old weeks, at a size of your choice.

    python benchmarks/upkeep.py [--events 300000] [--quick]

Embedded ClickHouse in a temporary directory; bodies of 2 kB that do not compress. Beside the
deletion: what `OPTIMIZE … FINAL` of the same weeks costs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from driftline.collector import deletion, reprice, retention
from driftline.collector.app import opened
from driftline.collector.clock import utc_now
from driftline.collector.meters import Meters
from driftline.collector.reprice import Span
from driftline.collector.services import Services
from driftline.collector.settings import Settings
from driftline.collector.tables import ProjectRow
from driftline.sdk import records as r

DAYS = 60
USERS = 1000
FILL = """
INSERT INTO events (project, id, trace_id, user_id, kind, model, provider, start_time, end_time,
                    usage, input_tokens, output_tokens, status, input, output, ingested_at)
SELECT {project:String},
       dateTimeToUUIDv7(now() - toIntervalSecond(intDiv(number * 86400 * {days:UInt32},
                                                        {events:UInt32}))),
       toString(number), concat('u', toString(number % {users:UInt32})), 'llm',
       ['gpt-4o', 'gpt-4o-mini', 'house-7b'][1 + number % 3], 'openai', now(), now(),
       map('input', toUInt64(500), 'output', toUInt64(200), 'input_cached', toUInt64(100)),
       500, 200, 'ok', '[]', randomPrintableASCII(2000), now()
FROM numbers({events:UInt32})
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--quick", action="store_true", help="20,000 events")
    options = parser.parse_args()
    events = 20_000 if options.quick else options.events
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), rollup_seconds=3600.0)
        with opened(settings, utc_now, Meters()) as parts:
            measure(parts, Path(folder), events)
    print(f"load average {os.getloadavg()[0]:.1f}")


def measure(parts: Services, folder: Path, events: int) -> None:
    with parts.control.session() as session:
        session.add(_project("prj_bench", r.ProjectSettings()))
    _timed(f"fill {events:,} events over {DAYS} days", lambda: _fill(parts, events))
    print(f"  {_size(folder) / 1e6:.0f} MB on the disk")
    for turn in ("first", "again"):
        _timed(f"price all events ({turn})", lambda: _reprice(parts))
    _timed(
        f"delete one of {USERS} users, bytes included",
        lambda: deletion.delete_user(parts, "prj_bench", "u7", "bench"),
    )
    _timed("OPTIMIZE FINAL of the same weeks instead", lambda: _optimize(parts))
    with parts.control.session() as session:
        row = session.get_one(ProjectRow, "prj_bench")
        row.settings = r.encode(replace(r.ProjectSettings(), retention_days=20))
    _timed("drop the weeks older than 20 days", lambda: retention.run(parts, "prj_bench"))
    print(f"  {_size(folder) / 1e6:.0f} MB on the disk")


def _project(project: str, settings: r.ProjectSettings) -> ProjectRow:
    return ProjectRow(
        id=project,
        name="bench",
        created_at=utc_now(),
        monitor=r.encode(r.Monitor()),
        settings=r.encode(settings),
        reference_id="",
        scored_through=None,
    )


def _fill(parts: Services, events: int) -> None:
    parts.clickhouse.command(FILL, project="prj_bench", days=DAYS, events=events, users=USERS)


def _reprice(parts: Services) -> str:
    now = utc_now()
    start, changed = now.replace(year=now.year - 1), 0
    while week := reprice.first_week(parts.clickhouse, Span("prj_bench", start, now)):
        changed += reprice.reprice(parts.clickhouse, week, []).changed
        start = week.end
        if start >= now:
            break
    return f"{changed:,} changed"


def _optimize(parts: Services) -> None:
    weeks = parts.clickhouse.query("SELECT DISTINCT partition FROM system.parts WHERE active")
    for (name,) in weeks:
        if "prj_bench" in name:
            parts.clickhouse.command(f"OPTIMIZE TABLE events PARTITION {name} FINAL")


def _timed(what: str, work: Callable[[], object]) -> None:
    started = time.perf_counter()
    said = work()
    words = f"  {said}" if isinstance(said, str) else ""
    print(f"{what:50} {time.perf_counter() - started:7.2f} s{words}", flush=True)


def _size(folder: Path) -> int:
    found = subprocess.run(["du", "-sb", str(folder)], capture_output=True, text=True, check=True)
    return int(found.stdout.split()[0])


if __name__ == "__main__":
    main()
