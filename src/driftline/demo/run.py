"""`driftline demo`: the stage, the story, the table at the end, and the pages until Ctrl-C."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from driftline.supervisor.child import ServiceFailed
from driftline.supervisor.run import INTERRUPTED, on_signals
from driftline.supervisor.watch import Stopped, Supervisor
from driftline.terminal import Terminal

from .checks import Checklist
from .replay import Interrupted
from .stage import Stage, StageSettings, stage
from .story import tell, tell_control


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """`change`: the silent change is part of it. `control`: the replay without it, afterwards.

    `serve` None: when a person sits there (standard input is a terminal, EXIT is not set).
    """

    home: Path
    port: int
    change: bool
    control: bool
    serve: bool | None
    device: str
    threads: int
    verbose: bool

    @property
    def stage(self) -> StageSettings:
        return StageSettings(self.home, self.port, self.device, self.threads, self.verbose)


def run_demo(settings: DemoSettings, terminal: Terminal) -> int:
    """Exit status 0 when every check came true. Raises ConfigError when it cannot begin."""
    stop = threading.Event()
    running: list[Supervisor] = []

    def kill() -> None:
        for supervisor in running:
            supervisor.kill()

    checklist = Checklist(terminal, stop)
    terminal.say("Driftline: one loop on recorded real traffic", "bold")
    with on_signals(stop, kill):
        try:
            with stage(settings.stage, terminal, stop, running.append) as ready:
                tell(ready, checklist, change=settings.change)
                if settings.control and checklist.came_true:
                    tell_control(ready, checklist)
                checklist.summary()
                _conclude(checklist, terminal)
                if _serves(settings):
                    _serve(ready, terminal, stop)
        except ServiceFailed as error:
            terminal.say(f"error: {error}", "red")
            return 1
        except (Stopped, Interrupted):
            terminal.say("stopped before the end of the story", "red")
            return INTERRUPTED
    return 0 if checklist.came_true else 1


def _conclude(checklist: Checklist, terminal: Terminal) -> None:
    failed = [check for check in checklist.checks if not check.passed]
    if failed:
        reason = "; ".join(f"{check.name} ({check.words})" for check in failed)
        terminal.say(f"not everything came true: {reason}", "bold red")
    else:
        terminal.say(f"all {len(checklist.checks)} checks came true", "bold green")


def _serves(settings: DemoSettings) -> bool:
    if settings.serve is not None:
        return settings.serve
    return sys.stdin.isatty() and os.environ.get("EXIT", "") in ("", "0")


def _serve(ready: Stage, terminal: Terminal, stop: threading.Event) -> None:
    terminal.say()
    terminal.say(f"The dashboard: {ready.dashboard_url}   (Ctrl-C ends the demo)", "bold")
    stop.wait()
