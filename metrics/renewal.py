"""Keeps a lease while its work is done, in a thread beside the work.

Work that stands still is not kept: a function that never ends would else hold its events for ever.
Nothing in Python can stop it, so the process ends, whoever watches it starts it again, and its
events go to others as those of any dead worker do.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from types import TracebackType

import structlog

from driftline.sdk.api import Api
from driftline.sdk.errors import ApiError, Conflict, NotFound

RENEWALS_PER_LEASE = 3  # two may fail before the lease is lost
JOIN_SECONDS = 5.0
STALL_SECONDS = 900.0  # far above the longest piece of work between two looks at the clock

log = structlog.get_logger("driftline.worker")


class Renewal:
    """A context in which `lease_id` is renewed; `lost` is set once it is somebody else's."""

    def __init__(
        self,
        api: Api,
        lease_id: str,
        lease_seconds: float,
        *,
        stall_seconds: float = STALL_SECONDS,
        end: Callable[[], object] = os.abort,
    ) -> None:
        """`end` is called when `moved` was not for `stall_seconds`."""
        self.lost = threading.Event()
        self._api = api
        self._lease_id = lease_id
        self._lease_seconds = lease_seconds
        self._stall_seconds = stall_seconds
        self._end = end
        self._moved_at = time.monotonic()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease-renewal", daemon=True)

    def moved(self) -> None:
        """The work does not stand still."""
        self._moved_at = time.monotonic()

    def __enter__(self) -> Renewal:
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
        while not self._done.wait(self._lease_seconds / RENEWALS_PER_LEASE):
            if time.monotonic() - self._moved_at > self._stall_seconds:
                log.error("the work stands still: this worker ends", lease=self._lease_id)
                self._end()
                return
            try:
                self._api.renew_work(self._lease_id, lease_seconds=self._lease_seconds)
            except (Conflict, NotFound):
                self.lost.set()
                return
            except ApiError as error:  # the next one may reach the collector again
                log.warning("lease not renewed", lease=self._lease_id, error=str(error))
