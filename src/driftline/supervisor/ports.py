"""Is a port free, and if not, who holds it?"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from driftline.sdk.errors import ConfigError

PROC = Path("/proc")
LISTEN = "0A"  # the state column of /proc/net/tcp


class PortTaken(ConfigError):
    """A service's port belongs to somebody else; the message says whose and what to do."""

    def __init__(self, name: str, port: int, flag: str, holder: Holder | None) -> None:
        who = f" by {holder}" if holder else " by another process"
        stop = f", or stop it: kill {holder.pid}" if holder else ""
        super().__init__(
            f"port {port} ({name}) is in use{who}. Choose another with {flag} {port + 100}{stop}."
        )
        self.port = port
        self.holder = holder


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that listens on a port."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command[:80]})"


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen on host:port now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def holder_of(port: int) -> Holder | None:
    """Who listens on `port`, as far as this user may know (Linux only)."""
    inodes = set(_listening_inodes(port))
    if not inodes:
        return None
    for process in PROC.iterdir():
        if process.name.isdigit() and inodes & set(_socket_inodes(process)):
            return Holder(int(process.name), _command(process))
    return None


def _listening_inodes(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == LISTEN and int(fields[1].rsplit(":", 1)[1], 16) == port:
                yield fields[9]


def _socket_inodes(process: Path) -> Iterator[str]:
    try:
        for descriptor in (process / "fd").iterdir():
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                yield target[8:-1]
    except OSError:  # it ended, or belongs to another user
        return


def _command(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return "unknown"
    return b" ".join(words).decode("utf-8", "replace").strip()
