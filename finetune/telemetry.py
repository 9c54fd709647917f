"""What the trainer counts, as Prometheus metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from driftline.sdk.records import LossPoint

JOB_BUCKETS_SECONDS = (10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 14400.0)


class Telemetry:
    """The counters of one trainer, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.jobs = Counter(
            "driftline_trainer_jobs",
            "Jobs that ended here, by how",
            ["outcome"],
            registry=self.registry,
        )
        self.running = Gauge(
            "driftline_trainer_running", "1 while a job runs", registry=self.registry
        )
        self.losses = Counter(
            "driftline_trainer_losses",
            "Training steps and validations measured",
            ["phase", "split"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "driftline_trainer_job_seconds",
            "Wall time of one attempt at a job",
            buckets=JOB_BUCKETS_SECONDS,
            registry=self.registry,
        )

    def count_loss(self, point: LossPoint) -> None:
        self.losses.labels(point.phase, point.split).inc()
