"""A lock on a directory that one process may use at a time, naming its holder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from .errors import ConfigError, StoreInUse

NAME = "driftline.lock"


class Lockfile:
    """An flock on `driftline.lock`; the system frees it when the process ends, however it ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, directory: str) -> Lockfile:
        """Lock `directory`, making it. Raises StoreInUse naming the holder's process id."""
        path = Path(directory) / NAME
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"cannot write {path}: {error.strerror}; choose another DRIFTLINE_HOME "
                "or DRIFTLINE_CLICKHOUSE_URL"
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise StoreInUse(_in_use(directory, holder)) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Free the directory. Calling it twice does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _in_use(directory: str, holder: str) -> str:
    return (
        f"the database in {directory} is in use by process {holder}: an embedded database belongs "
        f"to one process. Stop that process (kill {holder}), set DRIFTLINE_HOME to another "
        "directory, or use a ClickHouse server (DRIFTLINE_CLICKHOUSE_URL=clickhouse://…)"
    )
