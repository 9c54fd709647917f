"""All services: start them in order, restart one that crashed, stop them in reverse."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from driftline.terminal import Terminal

from .child import Child, Service, ServiceFailed, error_in
from .ports import PortTaken, holder_of, is_free

POLL_SECONDS = 0.1
STOP_SECONDS = 15.0  # a trainer finishes its step, the collector its inserts
FIRST_BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 30.0
STEADY_SECONDS = 60.0  # after so long without a crash the backoff starts afresh
COLOURS = ("cyan", "green", "magenta", "yellow", "blue")


class Stopped(Exception):
    """Somebody asked to stop while services were starting."""


class Restart:
    """When a crashed service is started again: 1, 2, 4 ... 30 seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._wait = FIRST_BACKOFF_SECONDS
        self._spawned_at = clock()
        self.due_at: float | None = None

    def crashed(self) -> float:
        """Plan the next start; returns the seconds until then."""
        if self._clock() - self._spawned_at >= STEADY_SECONDS:
            self._wait = FIRST_BACKOFF_SECONDS
        seconds = self._wait
        self.due_at = self._clock() + seconds
        self._wait = min(2 * self._wait, MAX_BACKOFF_SECONDS)
        return seconds

    def spawned(self) -> None:
        self._spawned_at = self._clock()
        self.due_at = None


class Supervisor:
    """The running services of one data directory. `stop` may be set from a signal handler.

    `pass_fds` stay open in the services: the data directory's lock (lock.py).
    """

    def __init__(
        self,
        logs: Path,
        terminal: Terminal,
        stop: threading.Event,
        *,
        pass_fds: tuple[int, ...] = (),
        verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._terminal = terminal
        self._stop = stop
        self._pass_fds = pass_fds
        self._verbose = verbose
        self._clock = clock
        self._children: list[Child] = []
        self._restarts: dict[str, Restart] = {}
        self._lock = threading.Lock()  # watching and stopping exclude each other
        self._stopping = False

    @property
    def children(self) -> list[Child]:
        """The services in the order of their start."""
        return list(self._children)

    def child(self, name: str) -> Child:
        return next(child for child in self._children if child.service.name == name)

    # ---------------------------------------------------------------- start

    def launch(self, service: Service) -> Child:
        """Spawn a service. Raises PortTaken; `await_health` says whether it came up."""
        self._claim_port(service)
        child = Child(service, self._logs, self._report, self._pass_fds)
        child.spawn()
        self._children.append(child)
        return child

    def await_health(self, child: Child) -> None:
        """Until its health endpoint answers. Raises ServiceFailed, or Stopped."""
        deadline = self._clock() + child.service.start_seconds
        while problem := child.probe():
            if child.exit_code is not None:
                child.wait(POLL_SECONDS)
                raise ServiceFailed(_died(child), child.exit_code or 1)
            if self._clock() >= deadline:
                raise ServiceFailed(_silent(child, problem))
            if self._stop.wait(POLL_SECONDS):
                raise Stopped
        self._restarts[child.service.name] = Restart(self._clock)

    def _claim_port(self, service: Service) -> None:
        if not is_free(service.host, service.port):
            holder = holder_of(service.port)
            raise PortTaken(service.name, service.port, service.port_flag, holder)

    # ---------------------------------------------------------------- watch

    def watch(self) -> None:
        """Restart what crashes, until `stop` is set."""
        while not self._stop.wait(POLL_SECONDS):
            self.look()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch in the background for the time of the `with` block, then stop the services.

        The thread outlives the services: the kernel takes the end of the thread that spawned a
        process for the end of its parent.
        """
        over = threading.Event()

        def loop() -> None:
            while not over.wait(POLL_SECONDS):
                self.look()

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.stop()
            over.set()
            thread.join()

    def look(self) -> None:
        """One round: note what ended, start again what is due. Who never was healthy is left."""
        with self._lock:
            for child in () if self._stopping else self.children:
                restart = self._restarts.get(child.service.name)
                if restart is not None and child.exit_code is not None:
                    self._revive(child, restart)

    def _revive(self, child: Child, restart: Restart) -> None:
        if restart.due_at is None:
            seconds = restart.crashed()
            self._terminal.say(
                f"{child.service.name} ended with {_ending(child.exit_code)}; starting it again"
                f" in {seconds:.0f} s (log: {child.log_path})",
                "red",
            )
        elif self._clock() >= restart.due_at:
            child.spawn()
            restart.spawned()

    # ----------------------------------------------------------------- stop

    def stop(self) -> None:
        """Everything but the first service (the collector) at once, then the first."""
        with self._lock:
            self._stopping = True
        first, rest = self._children[:1], self._children[1:]
        self._end(rest)
        self._end(first)

    def kill(self) -> None:
        """SIGKILL to every process group, now."""
        self._stopping = True
        for child in self._children:
            child.send(signal.SIGKILL)

    def _end(self, children: list[Child]) -> None:
        for child in children:
            child.send(signal.SIGTERM)
        deadline = self._clock() + STOP_SECONDS
        for child in children:
            if not child.wait(max(0.0, deadline - self._clock())):
                name = child.service.name
                self._terminal.say(f"{name} did not stop in {STOP_SECONDS:.0f} s: killed", "red")
            child.send(signal.SIGKILL)  # what is left of its process group
            child.wait(POLL_SECONDS)

    # ----------------------------------------------------------------- logs

    def _report(self, service: Service, line: str) -> None:
        words = line if self._verbose else error_in(line)
        if words and (self._verbose or not self._stopping):
            names = [child.service.name for child in self._children]
            place = names.index(service.name) if service.name in names else len(names)
            self._terminal.say(f"{service.name:10} {words}", COLOURS[place % len(COLOURS)])


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit status {code}"


def _died(child: Child) -> str:
    tail = "\n".join(f"    {line}" for line in child.tail)
    return (
        f"{child.service.name} ended with {_ending(child.exit_code)} while starting."
        f" The end of {child.log_path}:\n{tail}"
    )


def _silent(child: Child, problem: str) -> str:
    tail = "\n".join(f"    {line}" for line in child.tail)
    return (
        f"{child.service.name} was not healthy after {child.service.start_seconds:.0f} s"
        f" ({child.service.health_url}: {problem}). The end of {child.log_path}:\n{tail}"
    )
