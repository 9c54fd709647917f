"""The executor: leases jobs one after the other, runs each, hands in what came of it."""

from __future__ import annotations

import threading

import structlog

from driftline.sdk.api import Api
from driftline.sdk.errors import (
    ApiError,
    AuthError,
    Busy,
    Conflict,
    DriftlineError,
    Invalid,
    Unreachable,
)
from driftline.sdk.records import Job

from .errors import Cancelled, Stopped
from .job import JobRun, Result, Workshop
from .progress import Progress
from .telemetry import Telemetry

FINISH_RETRY_SECONDS = 5.0

log = structlog.get_logger(__name__)


class Trainer:
    """Runs until `stop` is set."""

    def __init__(
        self,
        shop: Workshop,
        executor: str,
        stop: threading.Event,
        *,
        poll_seconds: float,
        lease_seconds: float,
    ) -> None:
        self._shop = shop
        self._executor = executor
        self._stop = stop
        self._poll_seconds = poll_seconds
        self._lease_seconds = lease_seconds

    @property
    def _api(self) -> Api:
        return self._shop.api

    @property
    def _telemetry(self) -> Telemetry:
        return self._shop.telemetry

    def forever(self) -> None:
        """Take job after job; wait when there is none. Raises AuthError: the key will not do."""
        while not self._stop.is_set():
            if not self.once():
                self._stop.wait(self._poll_seconds)

    def once(self) -> bool:
        """Run one job, if there is one."""
        job = self._lease()
        if job is None:
            return False
        log.info("job leased", job=job.id, project=job.project, attempt=job.attempts)
        with self._telemetry.running.track_inprogress(), self._telemetry.seconds.time():
            outcome = self._run(job)
        self._telemetry.jobs.labels(outcome).inc()
        log.info("job left", job=job.id, outcome=outcome)
        return True

    def _lease(self) -> Job | None:
        try:
            return self._api.lease_job(self._executor, lease_seconds=self._lease_seconds)
        except AuthError:
            raise
        except ApiError as error:
            log.warning("cannot lease a job; will try again", error=str(error))
            return None

    def _run(self, job: Job) -> str:
        """One job to its end; returns how it ended. No job's failure ends the process."""
        api = self._api.for_project(job.project)
        result, error = None, ""
        try:
            result = self._attempt(api, job)
        except Stopped:
            return "given_back"
        except Cancelled:
            return "cancelled"
        except (Unreachable, Busy) as failure:
            log.warning("collector away; the job will resume", job=job.id, error=str(failure))
            return "given_back"
        except DriftlineError as failure:
            error = str(failure)
            log.warning("job failed", job=job.id, error=error)
        except Exception as failure:
            error = f"{type(failure).__name__}: see the log of trainer {self._executor}"
            log.exception("job crashed", job=job.id)
        return self._finish(api, job, result, error)

    def _attempt(self, api: Api, job: Job) -> Result:
        line = Progress(
            api,
            job.id,
            self._executor,
            self._stop,
            lease_seconds=self._lease_seconds,
            on_loss=self._telemetry.count_loss,
        )
        with line as progress:
            return JobRun(job, self._shop, progress).run()

    def _finish(self, api: Api, job: Job, result: Result | None, error: str) -> str:
        """Hand in, and insist: an hour's work is not lost because the collector restarts."""
        gate = result.gate if result else None
        model = result.model if result else None
        while True:
            try:
                done = api.finish_job(job.id, self._executor, gate=gate, model=model, error=error)
                return done.state
            except Conflict:
                return "cancelled"
            except (Invalid, AuthError):
                raise  # asking again changes nothing
            except ApiError as failure:
                log.warning("cannot hand in; will try again", job=job.id, error=str(failure))
                if self._stop.wait(FINISH_RETRY_SECONDS):
                    return "given_back"
