"""What the worker counts, as Prometheus metrics."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from .activity import Activity

STAGE_BUCKETS_SECONDS = (0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)


# scored: computed and handed in; reused: handed in as a copy of an equal event's results; failed:
# could not be scored; returned: given back undone; lost: the lease was somebody else's by then.
OUTCOMES = ("scored", "reused", "failed", "returned", "lost")


class Meters:
    """The counters of one worker, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events = self._counter("events", "Events by what became of them", "outcome")
        for outcome in OUTCOMES:
            self.events.labels(outcome)
        self.tokens = self._counter("tokens", "Tokens scored by the language model")
        self.windows = self._counter("drift_windows", "Drift windows tested", "decision")
        self.leases = self._counter("leases", "Leases by what became of them", "kind", "outcome")
        self.collector_errors = self._counter("collector_errors", "Calls that failed", "error")
        self.stage_seconds = Histogram(
            "driftline_worker_stage_seconds",
            "Seconds a batch spends in one stage",
            ["stage"],
            registry=self.registry,
            buckets=STAGE_BUCKETS_SECONDS,
        )
        self.lag_seconds = Gauge(
            "driftline_worker_lag_seconds",
            "Age of the oldest event in the last lease since it was ingested; 0 when idle",
            registry=self.registry,
        )

    def follow(self, activity: Activity) -> None:
        """Show what `activity` says whenever somebody asks; the cost only when it is known."""
        gauges: dict[str, tuple[str, Callable[[], float | None]]] = {
            "busy_ratio": (
                "Part of the last minute spent on work",
                lambda: activity.numbers().busy_share,
            ),
            "tokens_per_second": (
                "Tokens of the last minute per second of work",
                lambda: activity.numbers().tokens_per_second,
            ),
            "cost_per_1000_events_dollars": (
                "Cost of the machine since the start by 1,000 events; NaN while unknown",
                lambda: activity.numbers().cost_per_1000_events,
            ),
        }
        for name, (words, ask) in gauges.items():
            gauge = Gauge(f"driftline_worker_{name}", words, registry=self.registry)
            gauge.set_function(partial(_number, ask))

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"driftline_worker_{name}", words, labels, registry=self.registry)


def _number(ask: Callable[[], float | None]) -> float:
    found = ask()
    return math.nan if found is None else found
