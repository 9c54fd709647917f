"""What a collector does by itself: let go of dead leases, plan drift windows, send webhooks.

Each duty is a thread with its steps and a row in the control database. Of several collectors, the
one that holds the row does the duty; the row runs out unless it is renewed, so another collector
takes over when that one dies. A step that fails is logged and counted, and the others go on.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import structlog
from sqlalchemy import select

from . import lease, retention, tuning, watch
from .errors import CollectorError
from .sender import Sender
from .services import Services
from .tables import DutyRow, ProjectRow

PERIOD_SECONDS = 1.0
DUTY_SECONDS = 20.0  # longer than a round of sending (15 s)
GRACE_SECONDS = 15.0  # for workers to renew after nobody was there to renew with
STOP_SECONDS = 20.0
TIDY_SECONDS = 600.0
Step = tuple[str, Callable[[], object]]
log = structlog.get_logger(__name__)


class Duty:
    """A thread that repeats its steps while this collector holds the duty's row."""

    def __init__(self, parts: Services, name: str, steps: tuple[Step, ...], period: float) -> None:
        self.name = name
        self.steps = steps
        self._parts = parts
        self._period = period
        self._me = secrets.token_hex(8)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"driftline-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Finish the step in hand, stop, and let another collector take the duty at once."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
        with suppress(CollectorError), self._parts.control.session() as session:
            row = session.get(DutyRow, self.name, with_for_update=True)
            if row is not None and row.holder == self._me:
                row.expires_at = self._parts.clock()

    def tick(self) -> bool:
        """One round, if this collector has the duty; returns whether it has."""
        try:
            if not self._on_duty():
                return False
        except Exception:
            self._failed(self.name)
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
        self._parts.meters.periodic_failures.labels(step).inc()
        log.exception("periodic_step_failed", step=step)

    def _on_duty(self) -> bool:
        """Take or keep the duty."""
        now = self._parts.clock()
        with self._parts.control.session() as session:
            row = session.get(DutyRow, self.name, with_for_update=True)
            if row is None:
                row = DutyRow(name=self.name, holder=self._me, expires_at=now)
                session.add(row)
            if row.holder != self._me and row.expires_at > now:
                return False
            row.holder, row.expires_at = self._me, now + timedelta(seconds=DUTY_SECONDS)
            return True


class Periodic:
    """All duties of a collector, until `close()`."""

    def __init__(self, parts: Services, period_seconds: float = PERIOD_SECONDS) -> None:
        self._parts = parts
        sender = Sender(parts)
        watching: tuple[Step, ...] = (
            ("expire_leases", self._expire_leases),
            ("expire_jobs", self._expire_jobs),
            ("plan_windows", self._plan_windows),
            ("advance_watermarks", self._advance_watermarks),
        )
        sending: tuple[Step, ...] = (("send_webhooks", sender.send_due),)
        tidying: tuple[Step, ...] = (
            ("drop_old_weeks", self._drop_old_weeks),
            ("prune_tombstones", lambda: parts.tombstones.prune(parts.clock())),
        )
        self.duties = (
            Duty(parts, "watch", watching, period_seconds),
            Duty(parts, "send", sending, period_seconds),
            Duty(parts, "tidy", tidying, TIDY_SECONDS),
        )

    def start(self) -> None:
        """Forgive what could not be renewed while no collector ran, then begin."""
        self._revive()
        for duty in self.duties:
            duty.start()

    def close(self) -> None:
        for duty in self.duties:
            duty.close()

    def _revive(self) -> None:
        now = self._parts.clock()
        with self._parts.control.session() as session:
            watcher = session.get(DutyRow, self.duties[0].name, with_for_update=True)
            nobody = watcher is None or watcher.expires_at <= now
            if nobody or self._parts.clickhouse.embedded:
                lease.revive(session, now, GRACE_SECONDS)
                tuning.revive(session, now, GRACE_SECONDS)

    def _expire_leases(self) -> None:
        now = self._parts.clock()
        with self._parts.control.session() as session:
            count = lease.expire(session, now)
            lease.prune(session, now)
        if count:
            self._parts.meters.leases_expired.inc(count)
            log.warning("leases_expired", count=count)

    def _expire_jobs(self) -> None:
        with self._parts.control.session() as session:
            tuning.expire(self._parts, session)

    def _plan_windows(self) -> None:
        self._for_each_project("plan_windows", watch.plan)

    def _advance_watermarks(self) -> None:
        self._for_each_project("advance_watermarks", watch.advance)

    def _drop_old_weeks(self) -> None:
        self._for_each_project("drop_old_weeks", _drop_old_weeks)

    def _for_each_project(self, step: str, act: Callable[[Services, str], object]) -> None:
        """One project's trouble is not the next one's."""
        with self._parts.control.reading() as session:
            ids = list(session.scalars(select(ProjectRow.id).order_by(ProjectRow.created_at)))
        for project in ids:
            try:
                act(self._parts, project)
            except Exception:
                self._parts.meters.periodic_failures.labels(step).inc()
                log.exception("periodic_step_failed", step=step, project=project)


def _drop_old_weeks(parts: Services, project: str) -> None:
    dropped = retention.run(parts, project)
    if dropped:
        log.info("weeks_dropped", project=project, weeks=[str(week) for week in dropped])
