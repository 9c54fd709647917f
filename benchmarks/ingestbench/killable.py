"""A collector process over a directory that may be killed and started again on the same port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from sdkbench.bench import free_port

from driftline.sdk.api import Api

START_SECONDS = 180


@dataclass
class Killable:
    """`python -m driftline.collector` over `home`."""

    home: str
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()
        self.admin_key = (Path(self.home) / "admin.key").read_text().strip()

    def start(self) -> None:
        """Start it and wait until it is ready."""
        environment = os.environ | {"DRIFTLINE_HOME": self.home, "DRIFTLINE_PORT": str(self.port)}
        environment |= {"DRIFTLINE_OTLP_GRPC_PORT": "-1"}
        with open(f"{self.home}/log", "a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "driftline.collector"],
                env=environment,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        while not Api(self.url, "", retries=0).ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(Path(f"{self.home}/log").read_text()[-2000:])
            time.sleep(0.05)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it in order."""
        self.process.terminate()
        self.process.wait()

    def api(self, project: str) -> Api:
        """A client with the admin key; makes the project when it is new."""
        admin = Api(self.url, self.admin_key)
        if project not in {found.name for found in admin.projects()}:
            admin.create_project(project)
        return admin.for_project(project)

    def memory(self) -> int:
        """Resident bytes now."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
