"""Which services there are, where they listen, and the keys they need."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from driftline.sdk.api import Api
from driftline.sdk.errors import ConfigError
from driftline.terminal import Terminal

from .child import Service
from .watch import Supervisor

COLLECTOR_SECONDS = 60.0
DASHBOARD_SECONDS = 90.0
MODEL_SECONDS = 300.0  # the first start converts a model into the cache
SCOPES = ("work", "admin")


@dataclass(frozen=True, slots=True)
class StackSettings:
    """What `driftline up` starts, and where."""

    home: Path
    host: str = "127.0.0.1"
    port: int = 8400
    dashboard_port: int = 8401
    worker_port: int = 8402
    trainer_port: int = 8403
    workers: int = 1
    trainer: bool = True
    dashboard: bool = True
    device: str = "auto"
    threads: int = 0
    otlp_grpc_port: int = -1  # none
    port_flag: str = ""  # the one option that moves every port, where there is one
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return _url(self.host, self.port)

    @property
    def dashboard_url(self) -> str:
        return _url(self.host, self.dashboard_port)


class Stack:
    """The whole product on this machine."""

    def __init__(self, settings: StackSettings, supervisor: Supervisor, terminal: Terminal) -> None:
        self.settings = settings
        self._supervisor = supervisor
        self._terminal = terminal

    def start(self) -> Api:
        """Start everything; returns the administrator's client.

        Raises PortTaken, ServiceFailed or Stopped; what was started runs on until `stop`.
        """
        settings = self.settings
        self._up([collector_service(settings)])
        admin = Api(settings.url, admin_key(settings.home))
        keys = service_keys(admin, settings.home)
        services = [worker_service(settings, n, keys["work"]) for n in range(settings.workers)]
        if settings.trainer:
            services.append(trainer_service(settings, keys["work"]))
        if settings.dashboard:
            services.append(dashboard_service(settings, keys["admin"]))
        self._up(services)
        return admin

    def _up(self, services: list[Service]) -> None:
        children = [self._supervisor.launch(service) for service in services]
        for child in children:
            self._supervisor.await_health(child)
            service = child.service
            self._terminal.say(f"  {service.name:10} {service.host}:{service.port}  ready", "green")


# ------------------------------------------------------------------- services


def collector_service(settings: StackSettings) -> Service:
    return Service(
        name="collector",
        command=_module("driftline.collector"),
        host=settings.host,
        port=settings.port,
        port_flag=settings.port_flag or "--port",
        health_path="/readyz",
        start_seconds=COLLECTOR_SECONDS,
        environment=_environment(settings)
        | {
            "DRIFTLINE_HOST": settings.host,
            "DRIFTLINE_PORT": str(settings.port),
            "DRIFTLINE_OTLP_GRPC_PORT": str(settings.otlp_grpc_port),
        },
    )


def worker_service(settings: StackSettings, number: int, key: str) -> Service:
    """Worker `number` (0, 1, ...); the second and later ones listen from worker_port + 10 on."""
    port = settings.worker_port if number == 0 else settings.worker_port + 9 + number
    threads = ("--threads", str(settings.threads)) if settings.threads else ()
    command = _module("driftline.metrics", "--device", settings.device, *threads)
    return Service(
        name="worker" if number == 0 else f"worker-{number + 1}",
        command=(*command, "--health-host", settings.host, "--health-port", str(port)),
        host=settings.host,
        port=port,
        port_flag=settings.port_flag or "--worker-port",
        health_path="/healthz",
        start_seconds=MODEL_SECONDS,
        environment=_environment(settings) | {"DRIFTLINE_API_KEY": key},
    )


def trainer_service(settings: StackSettings, key: str) -> Service:
    command = _module("driftline.finetune", "--device", settings.device)
    port = str(settings.trainer_port)
    return Service(
        name="trainer",
        command=(*command, "--health-host", settings.host, "--health-port", port),
        host=settings.host,
        port=settings.trainer_port,
        port_flag=settings.port_flag or "--trainer-port",
        health_path="/healthz",
        start_seconds=MODEL_SECONDS,
        environment=_environment(settings) | {"DRIFTLINE_API_KEY": key},
    )


def dashboard_service(settings: StackSettings, key: str) -> Service:
    address = {
        "DRIFTLINE_DASHBOARD_HOST": settings.host,
        "DRIFTLINE_DASHBOARD_PORT": str(settings.dashboard_port),
    }
    return Service(
        name="dashboard",
        command=_module("driftline.dashboard"),
        host=settings.host,
        port=settings.dashboard_port,
        port_flag=settings.port_flag or "--dashboard-port",
        health_path="/_stcore/health",
        start_seconds=DASHBOARD_SECONDS,
        environment=_environment(settings) | address | {"DRIFTLINE_API_KEY": key},
    )


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *arguments)


def _environment(settings: StackSettings) -> dict[str, str]:
    return {
        **settings.environment,
        "DRIFTLINE_HOME": str(settings.home),
        "DRIFTLINE_URL": settings.url,
    }


def _url(host: str, port: int) -> str:
    reachable = "127.0.0.1" if host == "0.0.0.0" else host
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


# ----------------------------------------------------------------------- keys


def admin_key(home: Path) -> str:
    """The key of DRIFTLINE_ADMIN_KEY, or the one the collector wrote into its data directory."""
    if given := os.environ.get("DRIFTLINE_ADMIN_KEY"):
        return given
    path = home / "admin.key"
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ConfigError(
            f"no administrator's key: {path} is not readable ({error.strerror}). Give a key with"
            " --key or DRIFTLINE_API_KEY, or the data directory with DRIFTLINE_HOME."
        ) from error


def service_keys(admin: Api, home: Path) -> dict[str, str]:
    """One key a scope for the services, kept in $DRIFTLINE_HOME/service-keys.json over restarts."""
    path = home / "service-keys.json"
    known = admin.keys()
    valid = {key.id for key in known if not key.revoked_at}
    kept = {scope: pair for scope, pair in _read_keys(path).items() if pair[0] in valid}
    for scope in SCOPES:
        if scope not in kept:
            made = admin.create_key(scope, name=f"driftline up: {scope}")
            kept[scope] = (made.id, made.secret)
    _write_private(path, json.dumps(kept))
    return {scope: secret for scope, (_, secret) in kept.items()}


def _read_keys(path: Path) -> dict[str, tuple[str, str]]:
    try:
        return {scope: (pair[0], pair[1]) for scope, pair in json.loads(path.read_text()).items()}
    except (OSError, ValueError, LookupError, AttributeError):
        return {}


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
