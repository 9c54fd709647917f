"""Tells the collector every few seconds how the worker fares, in a thread beside the work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

import structlog

from driftline.sdk.api import Api
from driftline.sdk.errors import ApiError, Invalid, NotFound
from driftline.sdk.records import WorkerReport

BEAT_SECONDS = 10.0
JOIN_SECONDS = 5.0

log = structlog.get_logger("driftline.worker")


class Heartbeat:
    """A context in which `report()` is sent every BEAT_SECONDS, and once more at its end."""

    def __init__(
        self, api: Api, report: Callable[[], WorkerReport], beat_seconds: float = BEAT_SECONDS
    ) -> None:
        self._api = api
        self._report = report
        self._beat_seconds = beat_seconds
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        while self._send() and not self._done.wait(self._beat_seconds):
            pass
        if self._done.is_set():
            self._send()

    def _send(self) -> bool:
        """Whether to go on: an older collector has no ear for it. A missed beat is no news."""
        try:
            self._api.report_worker(self._report())
        except (NotFound, Invalid) as error:
            log.warning("the collector takes no reports of workers", error=str(error))
            return False
        except ApiError:
            pass
        return True
