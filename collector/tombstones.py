"""Who was deleted: hashes of user ids, and of the traces and events that went with them.

Only hashes are kept, so the list says nothing about people; a retry of what was deleted is known by
them and dropped. A user's hash stays; those of traces and events go after `EVENT_DAYS`, when no
client retries any more.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from .control import Control
from .tables import TombstoneRow

CACHE_SECONDS = 5.0  # a deletion by another collector is seen within this time
EVENT_DAYS = 30
INSERT_ROWS = 5000


@dataclass(frozen=True, slots=True)
class Deleted:
    """The deleted of one project: by hash, the moment up to which it is deleted."""

    project: str = ""
    until: dict[str, datetime] = field(default_factory=dict)

    def covers(self, at: datetime, **names: str) -> bool:
        """Whether something of the time `at` belongs to one of `names` (user, trace, event).

        What a user does after the deletion is new, and is kept.
        """
        for kind, name in names.items():
            until = self.until.get(digest(self.project, kind, name)) if name else None
            if until is not None and at <= until:
                return True
        return False


NOBODY = Deleted()


def digest(project: str, kind: str, name: str) -> str:
    """The hash of a user id, trace id or event id."""
    return hashlib.sha256("\0".join((project, kind, name)).encode("utf-8", "replace")).hexdigest()


class Tombstones:
    """The deleted of each project, remembered for a few seconds."""

    def __init__(self, control: Control, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._control = control
        self._monotonic = monotonic
        self.deleting = threading.Lock()  # one deletion at a time, or two count the same rows
        self._known: dict[str, tuple[float, tuple[int, datetime | None], Deleted]] = {}

    def of(self, project: str) -> Deleted:
        """The deleted of the project of that id."""
        known = self._known.get(project)
        if known is not None and known[0] > self._monotonic():
            return known[2]
        with self._control.reading() as session:
            count = select(func.count(), func.max(TombstoneRow.until))
            version = session.execute(count.where(TombstoneRow.project_id == project)).one()
            if known is not None and known[1] == tuple(version):
                found = known[2]
            else:
                found = _load(session, project) if version[0] else NOBODY
        self._known[project] = (self._monotonic() + CACHE_SECONDS, (version[0], version[1]), found)
        return found

    def forget(self, project: str) -> None:
        """They were changed here."""
        self._known.pop(project, None)

    def add(
        self, project: str, kind: str, names: Iterable[str], until: datetime, keep: bool = False
    ) -> None:
        """These are deleted, up to `until`; for ever with `keep`."""
        expires = None if keep else until + timedelta(days=EVENT_DAYS)
        hashes = sorted({digest(project, kind, name) for name in names})
        for at in range(0, len(hashes), INSERT_ROWS):
            with self._control.session() as session:
                for hashed in hashes[at : at + INSERT_ROWS]:
                    row = TombstoneRow(
                        project_id=project, digest=hashed, until=until, expires_at=expires
                    )
                    session.merge(row)
        self.forget(project)

    def prune(self, now: datetime) -> None:
        """Let go of traces and events that nobody retries any more."""
        with self._control.session() as session:
            session.execute(delete(TombstoneRow).where(TombstoneRow.expires_at < now))


def _load(session: Session, project: str) -> Deleted:
    query = select(TombstoneRow.digest, TombstoneRow.until).where(
        TombstoneRow.project_id == project
    )
    return Deleted(project, {row.digest: row.until for row in session.execute(query)})
