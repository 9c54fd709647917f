"""A window of a project's events, and how far a number of them reaches into it.

Both are answered by the sort key, so a search can read a large store a slice at a time.
"""

from __future__ import annotations

from datetime import datetime

from .clickhouse import ClickHouse
from .window import Window

WITHIN = """
project = {project:String} AND id_time >= {start:DateTime64(3, 'UTC')}
AND id_time < {end:DateTime64(3, 'UTC')}
"""


def reach(
    clickhouse: ClickHouse, project: str, window: Window, events: int, *, newest_first: bool
) -> datetime | None:
    """The time of the event behind the first `events` of the window; None: it holds no more."""
    found = clickhouse.query(
        f"SELECT id_time FROM events WHERE {WITHIN} "
        f"ORDER BY id_time {'DESC' if newest_first else 'ASC'} LIMIT 1 OFFSET {{events:UInt64}}",
        project=project,
        start=window.start,
        end=window.end,
        events=events,
    )
    return found[0][0] if found else None
