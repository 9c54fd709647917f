"""Which events have a score in a range: the value that a list shows for it, and no other.

An event has many rows of one name (versions, sources, copies), and the latest says what is shown.
So the rows in the range are found first, and only for their events is the latest looked up: most
often they are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .aggregate import SHOWN, STANDING
from .marks import MARKER

OF_NAME = """
project = {project:String} AND event_time >= {start:DateTime64(3, 'UTC')}
AND event_time < {end:DateTime64(3, 'UTC')} AND name = {score:String} AND name != {marker:String}
"""


@dataclass(frozen=True, slots=True)
class ScoreRange:
    """Events with a value of the score in [low, high]; None: no bound on that side."""

    name: str
    low: float | None = None
    high: float | None = None

    def params(self) -> dict[str, object]:
        """What `condition` refers to, beside the project and the window."""
        bounds = {"low": self.low, "high": self.high}
        given = {name: bound for name, bound in bounds.items() if bound is not None}
        return {"score": self.name, "marker": MARKER, **given}

    def condition(self, others: Sequence[str]) -> str:
        """The range as a condition on `events`; `others` are those that an event meets beside it,
        which spare the look at scores of events that are not wanted.
        """
        of_them = f"AND (event_time, event_id) IN ({_events(others)})" if others else ""
        touching = f"SELECT event_time, event_id FROM scores WHERE {OF_NAME} {of_them}"
        theirs = f"{OF_NAME} AND (event_time, event_id) IN ({touching} AND {self._holds('value')})"
        return f"""id IN (
            SELECT event_id FROM ({STANDING.replace("<where>", theirs)})
            GROUP BY event_id HAVING {self._holds(SHOWN)}
        )"""

    def _holds(self, value: str) -> str:
        low = [] if self.low is None else [f"{value} >= {{low:Float64}}"]
        high = [] if self.high is None else [f"{value} <= {{high:Float64}}"]
        return " AND ".join([f"{value} IS NOT NULL", *low, *high])


def _events(conditions: Sequence[str]) -> str:
    return f"SELECT id_time, id FROM events WHERE {' AND '.join(conditions)}"
