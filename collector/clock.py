"""Time: where it comes from and how it is written.

Everything inside is an aware `datetime` in UTC; everything outside is RFC 3339 with a `Z`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The system's clock."""
    return datetime.now(UTC)


def rfc3339(time: datetime) -> str:
    """`time` with microseconds, e.g. "2026-01-31T09:30:00.000000Z"."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_rfc3339(text: str) -> datetime:
    """The instant that `text` names; without an offset it is UTC. Raises ValueError."""
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
