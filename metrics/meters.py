"""What the worker counts, as Prometheus metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

STAGE_BUCKETS_SECONDS = (0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)


class Meters:
    """The counters of one worker, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events_scored = self._counter("events_scored", "Events handed in with scores")
        self.events_failed = self._counter("events_failed", "Events that could not be scored")
        self.events_reused = self._counter(
            "events_reused", "Scored events whose results are copies of an equal event's"
        )
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

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"driftline_worker_{name}", words, labels, registry=self.registry)
