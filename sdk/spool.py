"""The spool: what is not delivered yet, in files that outlive the process.

A folder for each collector, project and key; in it, segments (segment.py). A process appends to
its own and adopts those of dead ones. The folder is bounded in bytes by all its processes together,
nearly: what the others hold is looked up when a segment begins, and every few seconds.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Mapping, Sequence

from .chain import Chain
from .segment import RECORD, SUFFIX, Segment, frame

SEGMENT_BYTES = 8 << 20
REWIND_BYTES = 256 << 10  # an emptied segment over this gives its space back
MAX_ORPHANS = 16  # open at a time: the app needs its file descriptors for itself
OTHERS_SECONDS = 5.0  # how old the others' size may be


class Spool:
    """One folder. `append` may be called by any thread; its chains are read by one."""

    def __init__(self, folder: str, max_bytes: int) -> None:
        self.folder = folder
        self.own = Chain(own=True)
        self.orphans = Chain(own=False)
        self._max_bytes = max_bytes
        self._segment_bytes = min(SEGMENT_BYTES, max(1, max_bytes // 8))
        self._lock = threading.Lock()
        self.more = False
        self._closed = False
        self._others = 0
        self._looked = float("-inf")

    def append(self, lines: Sequence[bytes], *, bounded: bool = True) -> int:
        """Write `lines`; how many of them: fewer where the spool is full. Raises OSError."""
        with self._lock:
            if self._closed:
                raise OSError("the spool is closed")
            self.own.rewind(REWIND_BYTES)
            kept = self._fitting(lines) if bounded else len(lines)
            if kept < len(lines) and self.own.rewind(0):
                kept = self._fitting(lines)
            if kept:
                segment = self._current()
                segment.append(frame(lines[:kept]), kept)
            return kept

    def _fitting(self, lines: Sequence[bytes]) -> int:
        room = self._max_bytes - self._others_bytes() - self.own.bytes_on_disk
        for number, line in enumerate(lines):
            room -= RECORD.size + len(line)
            if room < 0:
                return number
        return len(lines)

    def _current(self) -> Segment:
        segment = self.own.last
        if segment is None or segment.end >= self._segment_bytes:
            segment = self._new()
            self.own.add(segment)
        return segment

    def _new(self) -> Segment:
        _make_private(self.folder)
        try:
            return Segment.create(self.folder)
        except FileNotFoundError:  # another process, closing, found the folder empty just now
            _make_private(self.folder)
            return Segment.create(self.folder)

    def _others_bytes(self) -> int:
        now = time.monotonic()
        if now - self._looked > OTHERS_SECONDS:
            self._looked = now
            own = self.own.names
            self._others = sum(_size(path) for path in self._files() if path not in own)
        return self._others

    def _files(self) -> list[str]:
        """Paths of the segments in the folder, oldest first."""
        try:
            with os.scandir(self.folder) as entries:
                return sorted(entry.path for entry in entries if entry.name.endswith(SUFFIX))
        except OSError:
            return []

    def has_files(self) -> bool:
        """Whether anybody, dead or alive, has a segment here."""
        return bool(self._files())

    def adopt(self) -> int:
        """Take over what dead processes left, some of it where it is much. Returns the torn tails.

        `more` then says whether to come back when that is delivered.
        """
        torn = 0
        mine = self.own.names | self.orphans.names
        self.more = False
        for path in self._files():
            if len(self.orphans.names) >= MAX_ORPHANS:
                self.more = True
                break
            segment = Segment.adopt(path) if path not in mine else None
            if segment is not None:
                torn += segment.torn
                self.orphans.add(segment)
        return torn

    @property
    def rows(self) -> int:
        """Records that are not acknowledged, adopted ones too."""
        return self.own.rows + self.orphans.rows

    def close(self) -> None:
        """Let go of the files; the next process with this folder adopts them."""
        with self._lock:
            self._closed = True
            self.own.close()
            self.orphans.close()
            with contextlib.suppress(OSError):  # missing, or not empty
                os.rmdir(self.folder)

    def disown(self) -> None:
        """In a forked child: close the parent's files, take no lock (see Chain)."""
        self._closed = True
        self.own.disown()
        self.orphans.disown()


def folder_for(
    url: str, project: str, api_key: str, environ: Mapping[str, str], base: str = ""
) -> str:
    """The spool's folder: of its own for each collector, project and key.

    Under `base`, else $XDG_STATE_HOME/driftline/spool, else ~/.local/state/driftline/spool. Of a
    key sk-dl-<id>-<secret> only the id counts, of any other its hash; neither can be read off.
    """
    parts = api_key.split("-")
    key = "-".join(parts[:3]) if len(parts) >= 4 and parts[:2] == ["sk", "dl"] else api_key
    named = "\n".join((url, project, key)).encode("utf-8", "replace")
    state = environ.get("XDG_STATE_HOME", "")
    state = state if os.path.isabs(state) else os.path.expanduser("~/.local/state")
    root = base or os.path.join(state, "driftline", "spool")
    return os.path.join(os.path.abspath(root), hashlib.sha256(named).hexdigest()[:16])


def _make_private(folder: str) -> None:
    """Make the folder, for its user only. Raises OSError; PermissionError if it is another's."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    about = os.stat(folder)
    if about.st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to another user")
    if about.st_mode & 0o077:
        os.chmod(folder, 0o700)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
