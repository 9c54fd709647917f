"""One service: its process, its log file, its health."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

TAIL_LINES = 15
MAX_LOG_BYTES = 20_000_000  # at a start, a longer log moves to <name>.log.1
PROBE_SECONDS = 2.0
ERROR_LEVELS = frozenset({"error", "critical", "fatal"})
HIDDEN_KEYS = frozenset({"event", "level", "timestamp", "logger", "exception", "stack"})

Report = Callable[["Service", str], None]


class ServiceFailed(Exception):
    """A service did not start; the message holds the end of its log."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Service:
    """What to run. `port_flag` is the option of `driftline up` that moves `port`."""

    name: str
    command: tuple[str, ...]
    host: str
    port: int
    port_flag: str
    health_path: str
    start_seconds: float
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def health_url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        reachable = "127.0.0.1" if self.host == "0.0.0.0" else host
        return f"http://{reachable}:{self.port}{self.health_path}"


class Child:
    """A service's process; `spawn` again after it ended."""

    def __init__(
        self, service: Service, log_folder: Path, report: Report, pass_fds: tuple[int, ...] = ()
    ) -> None:
        self.service = service
        self.log_path = log_folder / f"{service.name}.log"
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._report = report
        self._pass_fds = pass_fds
        self._process: subprocess.Popen[bytes] | None = None
        self._pump: threading.Thread | None = None

    def spawn(self) -> None:
        """Start the process on a leash, in a process group of its own."""
        self._rotate_log()
        leash = (sys.executable, "-m", "driftline.supervisor.leash", str(os.getpid()))
        self._process = subprocess.Popen(
            (*leash, *self.service.command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.service.environment},
            pass_fds=self._pass_fds,
            process_group=0,
        )
        self._pump = threading.Thread(target=self._copy_output, daemon=True)
        self._pump.start()

    @property
    def pid(self) -> int:
        """The process id, 0 before the first `spawn`."""
        return self._process.pid if self._process else 0

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll() if self._process else 0

    def probe(self) -> str:
        """Empty when the health endpoint answers 2xx, else what is wrong."""
        return probe(self.service.health_url)

    def send(self, number: signal.Signals) -> None:
        """A signal to the whole process group."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def wait(self, seconds: float) -> bool:
        """Whether it ended within `seconds`; its last lines are in the log then."""
        if self._process is None:
            return True
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        if self._pump is not None:
            self._pump.join(PROBE_SECONDS)
        return True

    def _copy_output(self) -> None:
        process = self._process
        if process is None or process.stdout is None:
            return
        with process.stdout as lines, self.log_path.open("ab", buffering=0) as log:
            for raw in lines:
                log.write(raw)
                line = raw.decode("utf-8", "replace").rstrip()
                self.tail.append(line)
                self._report(self.service, line)

    def _rotate_log(self) -> None:
        with suppress(FileNotFoundError):
            if self.log_path.stat().st_size > MAX_LOG_BYTES:
                self.log_path.replace(self.log_path.with_suffix(".log.1"))


def probe(url: str) -> str:
    """Empty when `url` answers 2xx, else what is wrong. No proxy: these are our own services."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=PROBE_SECONDS):
            return ""
    except urllib.error.HTTPError as error:
        with error:
            return f"HTTP {error.code}"
    except (OSError, ValueError, http.client.HTTPException) as error:
        return str(getattr(error, "reason", error))


def error_in(line: str) -> str:
    """What an error line says in one short line, "" for every other line."""
    if line.startswith("{"):
        with suppress(ValueError, AttributeError):
            return _structured_error(json.loads(line))
    if line.startswith(("ERROR", "CRITICAL", "Traceback", "error:")):
        return line
    return ""


def _structured_error(entry: dict[str, object]) -> str:
    if str(entry.get("level", "")).lower() not in ERROR_LEVELS:
        return ""
    facts = (f"{k}={v}" for k, v in entry.items() if k not in HIDDEN_KEYS)
    return " ".join((str(entry.get("event", "")), *facts))[:500]
