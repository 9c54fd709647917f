"""The worker's loop: lease work, compute, hand in.

At least once: what a worker holds when it dies is leased again after the lease runs out, and a
result for a lost lease is refused by the collector (409) and dropped here: nothing is stored twice.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import structlog

from driftline.sdk.api import Api
from driftline.sdk.errors import (
    ApiError,
    AuthError,
    Busy,
    ConfigError,
    Conflict,
    DriftlineError,
    Invalid,
    NotFound,
    Unreachable,
)
from driftline.sdk.records import DriftTask, Event, Lease, WorkerReport
from driftline.sdk.retry import delay

from .activity import Activity
from .catalog import Catalog, installed
from .drift import evaluate
from .errors import ModelError
from .features import read_features
from .frugal import Frugal
from .heartbeat import Heartbeat
from .memory import ScoreMemory, Scorer
from .meters import Meters
from .renewal import Renewal
from .scoring import MAX_ERROR_CHARACTERS, Scored, StopScoring
from .worker_http import Health

MAX_EVENTS = 16
LEASE_SECONDS = 60.0
FIRST_IDLE_SECONDS = 0.05
MAX_IDLE_SECONDS = 1.0
MAX_RETRY_SECONDS = 5.0

log = structlog.get_logger("driftline.worker")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """`name` tells workers apart in the collector; a lease is for `lease_seconds`, renewed.

    cost_per_hour: dollars for this process's share of its machine; 0: unknown.
    """

    name: str
    max_events: int = MAX_EVENTS
    lease_seconds: float = LEASE_SECONDS
    once: bool = False
    device: str = "auto"
    cost_per_hour: float = 0.0


class Worker:
    """Does one lease after another until `stop` is set, or (`once`) until no work is left.

    `load` loads the models; it is called once, when the first events come.
    """

    def __init__(
        self,
        api: Api,
        load: Callable[[], Scorer],
        settings: WorkerSettings,
        meters: Meters,
        *,
        stop: threading.Event,
        catalog: Catalog | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.health = Health(False, "starting")
        self.device = settings.device
        self._api = api
        self._load = load
        self._settings = settings
        self._meters = meters
        self._stop = stop
        self._catalog = catalog or installed()
        self._announced = False
        self._now = now
        self._timer = timer
        self._scorer: Scorer | None = None
        self._started_at = now()
        self._ended = False
        self._counts: Counter[str] = Counter()
        self._lag_seconds = 0.0
        self._activity = Activity(timer, settings.cost_per_hour)
        meters.follow(self._activity)
        self._projects: dict[str, Api] = {}

    def run(self) -> None:
        """The loop. Raises AuthError for a key that may not work, ModelError for bad weights."""
        with Heartbeat(self._api, self.report):
            try:
                self._loop()
            finally:
                self._ended = True

    def one(self) -> int:
        """One lease of work, if there is one; returns its events. Raises ApiError, ModelError."""
        lease = self._lease()
        if lease is None:
            self._lagging(0.0)
            return 0
        with self._activity.work():
            self._do(lease)
        return len(lease.events)

    def beat(self) -> None:
        """Report from now on, for a worker that is not run but asked for `one` lease at a time."""
        Heartbeat(self._api, self.report).__enter__()

    def report(self) -> WorkerReport:
        """What the collector shows of this worker."""
        numbers = self._activity.numbers()
        return WorkerReport(
            name=self._settings.name,
            device=self.device,
            state=self._state(),
            started_at=self._started_at.isoformat(),
            lag_seconds=self._lag_seconds,
            tokens_per_second=numbers.tokens_per_second,
            events_per_second=numbers.events_per_second,
            busy_share=numbers.busy_share,
            events_scored=self._counts["scored"] + self._counts["reused"],
            events_failed=self._counts["failed"],
            events_reused=self._counts["reused"],
            cost_per_1000_events=numbers.cost_per_1000_events,
            left_out=list(self._catalog.problems),
        )

    def _state(self) -> Literal["starting", "working", "idle", "stopped"]:
        if self._ended:
            return "stopped"
        if self._activity.working:
            return "working"
        return "idle" if self.health.ready else "starting"

    def _loop(self) -> None:
        idle_seconds = FIRST_IDLE_SECONDS
        failures = 0
        while not self._stop.is_set():
            try:
                lease = self._lease()
            except AuthError:
                raise
            except ApiError as error:
                # The collector closes a connection that idled while events were scored, and the
                # next call finds out: the first try on a new one is no news.
                if failures or not isinstance(error, Unreachable):
                    self._stop.wait(self._retry_seconds(error, failures))
                failures += 1
                continue
            failures = 0
            if lease is not None:
                with self._activity.work():
                    self._do(lease)
                idle_seconds = FIRST_IDLE_SECONDS
            elif self._settings.once:
                return
            else:
                self._lagging(0.0)
                self._stop.wait(idle_seconds)
                idle_seconds = min(2 * idle_seconds, MAX_IDLE_SECONDS)

    def _lease(self) -> Lease | None:
        settings = self._settings
        if not self._announced:
            self._announce()
        lease = self._api.lease_work(
            settings.name, max_events=settings.max_events, lease_seconds=settings.lease_seconds
        )
        self.health = Health(True, "ok")
        return lease

    def _announce(self) -> None:
        """Tell the collector once which metrics there are; an older one has no ear for it."""
        for problem in self._catalog.problems:
            log.error("metrics left out", problem=problem)
        try:
            self._api.announce_metrics(self._catalog.records())
        except (NotFound, Invalid) as error:
            log.error("the collector does not take the metrics' cards", error=str(error))
        self._announced = True

    def _retry_seconds(self, error: ApiError, failures: int) -> float:
        self.health = Health(False, f"the collector does not answer as it should: {error}")
        self._meters.collector_errors.labels(type(error).__name__).inc()
        log.warning("no lease", error=str(error), status=error.status)
        return min(delay(failures, error.retry_after_seconds), MAX_RETRY_SECONDS)

    # ----------------------------------------------------------------- one lease

    def _do(self, lease: Lease) -> None:
        api = self._for_project(lease.project)
        outcome = "released"
        with Renewal(api, lease.id, self._settings.lease_seconds) as renewal:
            try:
                outcome = self._work(api, lease, renewal)
            except StopScoring:
                outcome = self._give_up(api, lease, renewal, "")
            except (Conflict, NotFound):
                outcome = "lost"
            except (ModelError, ConfigError):
                self._give_up(api, lease, renewal, "")
                raise
            except Exception as error:
                log.error("lease not finished", lease=lease.id, error=type(error).__name__)
                outcome = self._give_up(api, lease, renewal, blame(error))
        self._meters.leases.labels(lease.kind, outcome).inc()
        if outcome != "finished":
            self._outcome("lost" if outcome == "lost" else "returned", len(lease.events))
        if outcome == "lost":
            log.warning("lease lost, its results are dropped", lease=lease.id)

    def _work(self, api: Api, lease: Lease, renewal: Renewal) -> str:
        def check() -> None:
            renewal.moved()
            if self._stop.is_set() or renewal.lost.is_set():
                raise StopScoring

        if lease.drift is not None:
            return self._test_window(api, lease, lease.drift, check)
        return self._score_events(api, lease, check)

    def _score_events(self, api: Api, lease: Lease, check: Callable[[], None]) -> str:
        self._lagging(lag_seconds(lease.events, self._now()))
        scorer = self._loaded()
        started = self._timer()
        chosen = self._catalog.chosen(lease.metrics_on, lease.metrics_off)
        scored = scorer.score(lease.events, check, chosen)
        self._deliver(
            check,
            lambda: api.finish_scoring(lease.id, scored.scores, scored.embeddings, scored.failed),
        )
        self._count(lease, scored, self._timer() - started)
        return "finished"

    def _loaded(self) -> Scorer:
        """The models; whatever goes wrong with them is no event's fault."""
        if self._scorer is None:
            try:
                self._scorer = ScoreMemory(
                    Frugal(self._load(), self._settings.max_events), self._catalog.beyond_content
                )
            except DriftlineError:
                raise
            except Exception as error:
                words = f"{type(error).__name__}: {error}"
                raise ModelError(f"the models cannot be loaded ({words})") from error
        return self._scorer

    def _test_window(
        self, api: Api, lease: Lease, task: DriftTask, check: Callable[[], None]
    ) -> str:
        started = self._timer()
        reference = read_features(api.drift_features(task.window_id, "reference"))
        current = read_features(api.drift_features(task.window_id, "current"))
        check()
        result = evaluate(task, reference, current)
        self._deliver(check, lambda: api.finish_drift(lease.id, result))
        seconds = self._timer() - started
        self._meters.windows.labels(result.decision).inc()
        self._meters.stage_seconds.labels("drift").observe(seconds)
        log.info("window", window=task.window_id, decision=result.decision, seconds=seconds)
        return "finished"

    def _deliver(self, check: Callable[[], None], send: Callable[[], None]) -> None:
        """Hand in, over and over while the collector is away and the lease is ours."""
        failures = 0
        while True:
            try:
                return send()
            except (Unreachable, Busy) as error:
                check()
                self._stop.wait(self._retry_seconds(error, failures))
                failures += 1
                check()

    def _give_up(self, api: Api, lease: Lease, renewal: Renewal, error: str) -> str:
        """Give the work back at once, so that nobody waits for the lease to run out."""
        if renewal.lost.is_set():
            return "lost"
        try:
            api.release_work(lease.id, error)
        except (Conflict, NotFound):
            return "lost"
        except ApiError as problem:
            log.warning("lease not released", lease=lease.id, error=str(problem))
        return "released"

    def _for_project(self, project: str) -> Api:
        """The client of a lease's project: a worker's key may span all of them."""
        if project not in self._projects:
            self._projects[project] = self._api.for_project(project)
        return self._projects[project]

    def _lagging(self, seconds: float) -> None:
        self._lag_seconds = seconds
        self._meters.lag_seconds.set(seconds)

    def _outcome(self, outcome: str, events: int) -> None:
        self._counts[outcome] += events
        self._meters.events.labels(outcome).inc(events)

    def _count(self, lease: Lease, scored: Scored, seconds: float) -> None:
        done = len(lease.events) - len(scored.failed)
        self._outcome("scored", done - scored.reused)
        self._outcome("reused", scored.reused)
        self._outcome("failed", len(scored.failed))
        self._meters.tokens.inc(scored.tokens)
        self._activity.count(done, scored.tokens)
        for stage, spent in scored.seconds.items():
            self._meters.stage_seconds.labels(stage).observe(spent)
        log.info(
            "scored",
            project=lease.project,
            events=done,
            failed=len(scored.failed),
            reused=scored.reused,
            tokens=scored.tokens,
            seconds=round(seconds, 3),
        )


def blame(error: Exception) -> str:
    """What the collector is told of a failed lease: "" when the work itself is not to blame."""
    if isinstance(error, (Unreachable, Busy, AuthError)):
        return ""
    return f"{type(error).__name__}: {error}"[:MAX_ERROR_CHARACTERS]


def lag_seconds(events: Sequence[Event], now: datetime) -> float:
    """Age of the oldest of `events` since it was ingested; 0 without events, never negative."""
    times = [datetime.fromisoformat(event.ingested_at) for event in events if event.ingested_at]
    return max(0.0, (now - min(times)).total_seconds()) if times else 0.0
