"""Segments in the order of their making, read as one backlog."""

from __future__ import annotations

import threading
from collections import deque

from .segment import HEADER, Piece, Segment


class Chain:
    """Some of the spool's segments. `lock` is held while they are read, acknowledged or closed."""

    def __init__(self, *, own: bool) -> None:
        self.own = own  # whether this process wrote them
        self.lock = threading.Lock()
        self._segments: deque[Segment] = deque()

    @property
    def rows(self) -> int:
        """Records that are not acknowledged."""
        return sum(segment.rows for segment in tuple(self._segments))

    @property
    def size(self) -> int:
        """Their bytes."""
        return sum(segment.end - segment.acked for segment in tuple(self._segments))

    @property
    def bytes_on_disk(self) -> int:
        return sum(segment.end for segment in tuple(self._segments))

    @property
    def names(self) -> set[str]:
        return {segment.path for segment in tuple(self._segments)}

    @property
    def last(self) -> Segment | None:
        return self._segments[-1] if self._segments else None

    def add(self, segment: Segment) -> None:
        self._segments.append(segment)

    def take(self, max_rows: int, max_bytes: int) -> Piece | None:
        """The oldest records. A segment that cannot be read comes as damaged rows."""
        with self.lock:
            segment = self._first()
            if segment is None or not segment.rows:
                return None
            try:
                return segment.read(max_rows, max_bytes)
            except OSError:
                return Piece((), segment.rows, segment.end, segment.rows)

    def ack(self, piece: Piece) -> None:
        """`piece`, which `take` gave last, is delivered or lost."""
        with self.lock:
            if self._segments:  # else: closed meanwhile
                self._segments[0].ack(piece)
                self._first()

    def _first(self) -> Segment | None:
        """The oldest segment; those before the last that are done with are deleted."""
        while self._segments and not self._segments[0].rows:
            if self.own and len(self._segments) == 1:
                break  # the one being appended to
            self._segments.popleft().remove()
        return self._segments[0] if self._segments else None

    def rewind(self, over_bytes: int) -> bool:
        """Give back the last segment's space if it is empty and that is more than `over_bytes`.

        For its appender. Whether it did.
        """
        last = self.last
        if last is None or last.rows or last.end <= HEADER.size + over_bytes:
            return False
        with self.lock:
            last.rewind()
        return True

    def close(self) -> None:
        """Delete what is done with, let go of the rest."""
        with self.lock:
            while self._segments:
                segment = self._segments.popleft()
                if segment.rows:
                    segment.close()
                else:
                    segment.remove()

    def disown(self) -> None:
        """In a forked child: the files are the parent's. Its lock may be held there: no locking."""
        while self._segments:
            self._segments.popleft().close()
