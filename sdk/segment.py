"""One file of the spool: records appended by its owner, read from the front, acknowledged in place.

    file   = magic (8 bytes) · offset up to which it is acknowledged (8) · record*
    record = length (4) · CRC-32 (4) · a JSON line

Integers are little-endian; the checksum is seeded with the length. The owner holds an exclusive
flock on the file for as long as it lives, so that exactly one process adopts what a dead one left.
A record that was being written when its process died ends the file: the tail is torn, and counted.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

MAGIC = b"DRIFTSP1"
HEADER = struct.Struct("<8sQ")
RECORD = struct.Struct("<II")
MAX_RECORD_BYTES = 16 << 20  # a longer one is a damaged length
SUFFIX = ".seg"


@dataclass(frozen=True, slots=True)
class Piece:
    """The next lines of a backlog. `rows` records end at `end`; `damaged` of them are no lines."""

    lines: tuple[bytes, ...]
    rows: int
    end: int = 0
    damaged: int = 0


def supported() -> bool:
    """Whether this system has the locks that a spool needs."""
    return fcntl is not None


def frame(lines: Iterable[bytes]) -> bytes:
    """Records of `lines`."""
    parts: list[bytes] = []
    for line in lines:
        parts.append(RECORD.pack(len(line), zlib.crc32(line, len(line))))
        parts.append(line)
    return b"".join(parts)


def parse(data: bytes, max_rows: int, check: bool) -> Piece:
    """The whole records at the start of `data`; `end` is how many bytes they take."""
    lines: list[bytes] = []
    rows = end = 0
    while rows < max_rows and end + RECORD.size <= len(data):
        length, crc = RECORD.unpack_from(data, end)
        start, stop = end + RECORD.size, end + RECORD.size + length
        if stop > len(data):
            break
        line = data[start:stop]
        if not check or zlib.crc32(line, length) == crc:
            lines.append(line)
        rows, end = rows + 1, stop
    return Piece(tuple(lines), rows, end, rows - len(lines))


class Segment:
    """An open segment, locked by this process. Appended to by one thread, read by one other."""

    def __init__(self, path: str, fd: int, acked: int, end: int, rows: int, torn: bool) -> None:
        self.path = path
        self.acked = acked  # bytes
        self.end = end
        self.torn = torn
        self._fd = fd
        self._check = rows > 0  # another process wrote it
        self._written = rows  # counted by the appender; what is read, by the reader
        self._read = 0

    @classmethod
    def create(cls, folder: str) -> Segment:
        """A new one in `folder`. Raises OSError."""
        while True:
            name = f"{time.time_ns():016x}-{os.getpid()}-{os.urandom(4).hex()}{SUFFIX}"
            path = os.path.join(folder, name)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                if _lock(fd):  # else another process took it for an orphan in between
                    _write(fd, HEADER.pack(MAGIC, HEADER.size), 0)
                    return cls(path, fd, HEADER.size, HEADER.size, 0, False)
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    @classmethod
    def adopt(cls, path: str) -> Segment | None:
        """The segment that a dead process left; None when its owner lives, or it is none."""
        try:
            fd = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        except OSError:
            return None
        try:
            segment = cls._open(path, fd) if _lock(fd) else None
        except OSError:
            segment = None
        if segment is None:
            os.close(fd)
        return segment

    @classmethod
    def _open(cls, path: str, fd: int) -> Segment | None:
        size = os.fstat(fd).st_size
        head = os.pread(fd, HEADER.size, 0)
        if len(head) < HEADER.size:  # its process died before the first record
            os.unlink(path)
            return None
        magic, acked = HEADER.unpack(head)
        if magic != MAGIC:
            os.rename(path, path + ".unknown")  # not ours to delete
            return None
        survey = _survey(fd, acked, size) if HEADER.size <= acked <= size else None
        if survey is None:  # the offset is damaged: send all again rather than lose some
            acked = HEADER.size
            survey = _survey(fd, acked, size) or (0, acked)
        rows, end = survey
        return cls(path, fd, acked, end, rows, end < size)

    @property
    def rows(self) -> int:
        """Records that are not acknowledged."""
        return self._written - self._read

    def append(self, data: bytes, rows: int) -> None:
        """Add framed records, all of them or none. Raises OSError."""
        _write(self._fd, data, self.end)
        self.end += len(data)
        self._written += rows

    def read(self, max_rows: int, max_bytes: int) -> Piece:
        """The oldest records that are not acknowledged: one, or as many as fit. Raises OSError."""
        left = self.end - self.acked
        data = os.pread(self._fd, min(left, max_bytes), self.acked)
        piece = parse(data, max_rows, self._check)
        if not piece.rows and left:
            (length, _) = RECORD.unpack(os.pread(self._fd, RECORD.size, self.acked))
            piece = parse(os.pread(self._fd, RECORD.size + length, self.acked), 1, self._check)
        return Piece(piece.lines, piece.rows, self.acked + piece.end, piece.damaged)

    def ack(self, piece: Piece) -> None:
        """`piece`, just read, was delivered."""
        self.acked = piece.end
        self._read += piece.rows
        self._note()

    def rewind(self) -> None:
        """Give back the disk space of records that are all acknowledged."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, HEADER.size)
            self.acked = self.end = HEADER.size
            self._note()

    def _note(self) -> None:
        with contextlib.suppress(OSError):  # at worst it is sent again; the collector knows its id
            os.pwrite(self._fd, HEADER.pack(MAGIC, self.acked), 0)

    def close(self) -> None:
        """Let go of it, for another process to adopt. A forked child's parent keeps the lock."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def remove(self) -> None:
        """Delete the file (first, while it is locked)."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)
        self.close()


def _lock(fd: int) -> bool:
    """Take the file for this process; False when it is another's, or was deleted meanwhile."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(fd).st_nlink > 0


def _write(fd: int, data: bytes, offset: int) -> None:
    """All of `data`, or nothing and OSError."""
    try:
        written = os.pwrite(fd, data, offset)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(fd, offset)
        raise
    if written < len(data):
        os.ftruncate(fd, offset)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _survey(fd: int, start: int, size: int) -> tuple[int, int] | None:
    """How many records there are from `start`, and where the last whole one ends.

    None when not even the first is one, though there is something.
    """
    rows, end = 0, start
    while end + RECORD.size <= size:
        (length, _) = RECORD.unpack(os.pread(fd, RECORD.size, end))
        if not 0 < length <= MAX_RECORD_BYTES or end + RECORD.size + length > size:
            break
        rows, end = rows + 1, end + RECORD.size + length
    return None if rows == 0 and end < size and start > HEADER.size else (rows, end)
