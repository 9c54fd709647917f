"""What a collector does by itself, every second: let go of dead leases, plan drift windows, send
webhooks.

Of several collectors on one control database, the one that holds the `periodic` duty works; the
duty is a row that runs out
unless it is renewed, so another takes over when that one dies. A step that fails is logged and
counted, and the
others go on.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter
from sqlalchemy import select

from . import lease, outbox, tuning, watch
from .errors import CollectorError
from .services import Services
from .tables import DutyRow, ProjectRow

PERIOD_SECONDS = 1.0
DUTY_SECONDS = 15.0
DUTY = "periodic"
STOP_SECONDS = 20.0
log = structlog.get_logger(__name__)
FAILURES = Counter("driftline_periodic_failures", "Periodic steps that failed", ["step"])


class Periodic:
    """A thread that works until `close()`."""

    def __init__(self, parts: Services, period_seconds: float = PERIOD_SECONDS) -> None:
        self._parts = parts
        self._period = period_seconds
        self._me = secrets.token_hex(8)
        self._client = outbox.client()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="driftline-periodic", daemon=True)
        self.steps: tuple[tuple[str, Callable[[], object]], ...] = (
            ("expire_leases", self._expire_leases),
            ("expire_jobs", self._expire_jobs),
            ("plan_windows", self._plan_windows),
            ("advance_watermarks", self._advance_watermarks),
            ("send_webhooks", self._send_webhooks),
        )

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Finish the step in hand and stop."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
        self._client.close()
        self._hand_over()

    def tick(self) -> bool:
        """One round, if this collector has the duty; returns whether it has."""
        try:
            if not self._on_duty():
                return False
        except Exception:
            self._failed("duty")
            return False
        for name, step in self.steps:
            if self._stopped.is_set():
                break
            try:
                step()
            except Exception:
                self._failed(name)
        return True

    def _run(self) -> None:
        while not self._stopped.wait(self._period):
            self.tick()

    def _failed(self, step: str) -> None:
        FAILURES.labels(step).inc()
        log.exception("periodic step failed", step=step)

    def _on_duty(self) -> bool:
        """Take or keep the duty."""
        now = self._parts.clock()
        with self._parts.control.session() as session:
            row = session.get(DutyRow, DUTY, with_for_update=True)
            if row is None:
                row = DutyRow(name=DUTY, holder=self._me, expires_at=now)
                session.add(row)
            if row.holder != self._me and row.expires_at > now:
                return False
            row.holder, row.expires_at = self._me, now + timedelta(seconds=DUTY_SECONDS)
            return True

    def _hand_over(self) -> None:
        """Let another collector take the duty at once."""
        with suppress(CollectorError), self._parts.control.session() as session:
            row = session.get(DutyRow, DUTY, with_for_update=True)
            if row is not None and row.holder == self._me:
                row.expires_at = self._parts.clock()

    def _expire_leases(self) -> None:
        with self._parts.control.session() as session:
            now = self._parts.clock()
            count = lease.expire(session, now)
            lease.prune(session, now)
        if count:
            log.warning("leases expired", count=count)

    def _expire_jobs(self) -> None:
        with self._parts.control.session() as session:
            tuning.expire(self._parts, session)

    def _plan_windows(self) -> None:
        for project in self._projects():
            if watch.plan(self._parts, project):
                log.info("drift window planned", project=project)

    def _advance_watermarks(self) -> None:
        now: datetime = self._parts.clock()
        for project in self._projects():
            watch.advance(self._parts, project, now)

    def _send_webhooks(self) -> None:
        outbox.send_due(self._parts, self._client)

    def _projects(self) -> list[str]:
        with self._parts.control.reading() as session:
            return list(session.scalars(select(ProjectRow.id).order_by(ProjectRow.created_at)))
