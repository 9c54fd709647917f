"""What the collector hears of a running job, and what the job hears back.

A thread of its own reports and so renews the lease: a slow step never loses the job, and a
collector that is away for a while never stops a step. Losses wait in order until delivered.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType

import structlog

from driftline.sdk.api import Api
from driftline.sdk.errors import ApiError, Conflict, Invalid
from driftline.sdk.records import DatasetReport, JobState, LossPoint

from .errors import Cancelled, Stopped

RENEWALS_PER_LEASE = 4
MIN_SECONDS_BETWEEN = 0.5
GIVE_BACK_SECONDS = 1.0  # the lease of a job that is given back
MAX_WAITING_LOSSES = 10_000
MAX_MESSAGE = 2000  # characters; the collector takes no more

log = structlog.get_logger(__name__)


class Progress:
    """One job's line to the collector; use as a context manager."""

    def __init__(
        self,
        api: Api,
        job_id: str,
        executor: str,
        stop: threading.Event,
        *,
        lease_seconds: float,
        on_loss: Callable[[LossPoint], None],
    ) -> None:
        self._on_loss = on_loss
        self._api = api
        self._job_id = job_id
        self._executor = executor
        self._stop = stop
        self._lease_seconds = lease_seconds
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._ending = threading.Event()
        self._lost = threading.Event()
        self._state: JobState = "preparing_data"
        self._message = ""
        self._dataset: DatasetReport | None = None
        self._losses: list[LossPoint] = []
        self._thread = threading.Thread(target=self._loop, name="progress", daemon=True)

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Deliver what waits, and end the thread; a stopped job is given back at once."""
        self._ending.set()
        self._news.set()
        self._thread.join()
        if not self._lost.is_set():
            given_back = kind is not None and issubclass(kind, Stopped)
            self._send(GIVE_BACK_SECONDS if given_back else self._lease_seconds)

    def stage(self, state: JobState, message: str, dataset: DatasetReport | None = None) -> None:
        """The job is now in `state`, with a message for people."""
        self.check()
        with self._lock:
            self._state, self._message = state, message
            self._dataset = dataset or self._dataset
        log.info("job stage", job=self._job_id, state=state, message=message)
        self._news.set()

    def loss(self, point: LossPoint) -> None:
        with self._lock:
            self._losses.append(point)
            del self._losses[:-MAX_WAITING_LOSSES]
        self._on_loss(point)
        self._news.set()

    def check(self) -> None:
        """Raises Cancelled or Stopped when the job is not to go on. Call between steps."""
        if self._lost.is_set():
            raise Cancelled("the job was cancelled, or another executor took it over")
        if self._stop.is_set():
            raise Stopped("the trainer is shutting down; the job resumes from its checkpoint")

    def _loop(self) -> None:
        while not self._ending.is_set() and not self._lost.is_set():
            self._send(self._lease_seconds)
            self._news.wait(self._lease_seconds / RENEWALS_PER_LEASE)
            self._news.clear()
            self._ending.wait(MIN_SECONDS_BETWEEN)

    def _send(self, lease_seconds: float) -> None:
        with self._lock:
            state, message, dataset = self._state, self._message, self._dataset
            losses, self._losses = self._losses, []
        try:
            self._report(state, message, dataset, losses, lease_seconds)
        except Conflict:
            self._lost.set()
        except Invalid as error:  # the same report would be refused again
            log.error("report refused", job=self._job_id, error=str(error), losses=len(losses))
        except ApiError as error:
            log.warning("report failed; will try again", job=self._job_id, error=str(error))
            with self._lock:
                self._losses = losses + self._losses

    def _report(
        self,
        state: JobState,
        message: str,
        dataset: DatasetReport | None,
        losses: Sequence[LossPoint],
        lease_seconds: float,
    ) -> None:
        self._api.report_job(
            self._job_id,
            self._executor,
            state,
            message=message[:MAX_MESSAGE],
            dataset=dataset,
            losses=losses,
            lease_seconds=lease_seconds,
        )
