"""What the collector measures of itself, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Meters:
    """One registry a collector, so that several may live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.accepted = self._counter("accepted", "Events and scores that were stored")
        self.duplicates = self._counter("duplicates", "Events whose id was stored before")
        self.rejected = self._counter("rejected", "Lines that were not stored", "reason")
        self.warnings = self._counter("warnings", "Parts of lines left out or cut", "reason")
        self.lost = self._counter("client_lost", "Events that clients report lost", "reason")
        self.refused = self._counter("refused_requests", "Ingest requests refused", "reason")
        self.requests = Histogram(
            "driftline_request_seconds",
            "Seconds to answer a request",
            ("method", "route", "status"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.commit_seconds = Histogram(
            "driftline_ingest_commit_seconds",
            "Seconds to make one group of batches durable",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.queue_rows = self._gauge("queue_rows", "Rows that wait to be stored")
        self.queue_bytes = self._gauge("queue_bytes", "Bytes that wait to be stored")

        self.leases_expired = Counter(
            "driftline_leases_expired", "Leases whose worker vanished", registry=self.registry
        )
        self.webhook_attempts = Counter(
            "driftline_webhook_attempts",
            "Attempts to deliver a webhook",
            ("outcome",),
            registry=self.registry,
        )
        self.periodic_failures = Counter(
            "driftline_periodic_failures",
            "Periodic steps that failed",
            ("step",),
            registry=self.registry,
        )

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"driftline_ingest_{name}", words, labels, registry=self.registry)

    def _gauge(self, name: str, words: str) -> Gauge:
        return Gauge(f"driftline_ingest_{name}", words, registry=self.registry)
