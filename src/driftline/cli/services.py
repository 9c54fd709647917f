"""up, worker, trainer, dashboard, health, status, version: the running parts."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path

from driftline.sdk.errors import ApiError, ConfigError
from driftline.terminal import Terminal

from .command import DEFAULT_URL, Command, connect, home, key_for
from .output import show_facts

OTLP_GRPC_PORT = 4317
PARTS_NEED = {
    "driftline.collector": ("collector", "fastapi"),
    "driftline.metrics": ("metrics", "torch"),
    "driftline.finetune": ("finetune", "peft"),
    "driftline.dashboard": ("dashboard", "streamlit"),
}


def up(options: argparse.Namespace) -> int:
    from driftline.supervisor.run import run_up
    from driftline.supervisor.stack import StackSettings

    for module in _wanted(options):
        require(module)
    terminal = Terminal()
    settings = StackSettings(
        home=options.home.absolute(),
        otlp_grpc_port=_grpc_port(options, terminal),
        host=options.host,
        port=options.port,
        dashboard_port=options.dashboard_port,
        worker_port=options.worker_port,
        trainer_port=options.trainer_port,
        workers=options.workers,
        trainer=options.trainer,
        dashboard=options.dashboard,
        device=options.device,
        threads=options.threads,
    )
    return run_up(settings, terminal, verbose=options.verbose)


def _grpc_port(options: argparse.Namespace, terminal: Terminal) -> int:
    """The port asked for; the usual one when it is free; -1 for none."""
    from driftline.supervisor.ports import is_free

    if options.otlp_grpc_port is not None:
        return int(options.otlp_grpc_port)
    if is_free(options.host, OTLP_GRPC_PORT):
        return OTLP_GRPC_PORT
    words = f"port {OTLP_GRPC_PORT} is in use: no OTLP over gRPC (--otlp-grpc-port chooses another)"
    terminal.say(f"  {words}", "yellow")
    return -1


def _wanted(options: argparse.Namespace) -> list[str]:
    chosen = {
        "driftline.collector": True,
        "driftline.metrics": options.workers > 0,
        "driftline.finetune": options.trainer,
        "driftline.dashboard": options.dashboard,
    }
    return [module for module, wanted in chosen.items() if wanted]


def require(module: str) -> None:
    """Raises ConfigError when a part's packages are not installed."""
    extra, package = PARTS_NEED[module]
    if importlib.util.find_spec(package) is None:
        raise ConfigError(f"{module} needs more packages: pip install 'driftline[{extra}]'")


def become(module: str, options: argparse.Namespace) -> int:
    """This process turns into the service, with the arguments that were not ours."""
    require(module)
    os.environ.setdefault("DRIFTLINE_HOME", str(home()))
    os.environ.setdefault("DRIFTLINE_URL", DEFAULT_URL)
    wants_help = any(word in ("-h", "--help") for word in options.rest)
    if not wants_help and not any(word.split("=")[0] == "--key" for word in options.rest):
        os.environ["DRIFTLINE_API_KEY"] = key_for(None)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *_passed(options.rest)])


def _passed(rest: list[str]) -> list[str]:
    return [word for word in rest if word != "--"]


def worker(options: argparse.Namespace) -> int:
    return become("driftline.metrics", options)


def trainer(options: argparse.Namespace) -> int:
    return become("driftline.finetune", options)


def dashboard(options: argparse.Namespace) -> int:
    require("driftline.dashboard")
    os.environ["DRIFTLINE_URL"] = options.url
    os.environ["DRIFTLINE_API_KEY"] = key_for(options.key)
    os.environ["DRIFTLINE_DASHBOARD_HOST"] = options.host
    os.environ["DRIFTLINE_DASHBOARD_PORT"] = str(options.port)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "driftline.dashboard"])


def health(options: argparse.Namespace) -> int:
    from driftline.supervisor.run import probe_all

    states = probe_all(options.url)
    show_facts(options, dict(states))
    return 0 if states["collector"] == "ready" else 1


def status(options: argparse.Namespace) -> int:
    failed = health(options)
    if failed:
        return failed
    facts: dict[str, object] = {}
    api = connect(options)
    for project in api.projects():
        try:
            overview = api.for_project(project.name).overview()
            drift = api.for_project(project.name).drift_status()
        except ApiError as error:
            facts[project.name] = f"{error}"
            continue
        facts[project.name] = (
            f"{overview.events} events in 24 h, {overview.pending} to score,"
            f" {overview.open_incidents} open incidents, drift watch {drift.state}"
        )
    return show_facts(options, facts or {"projects": "none yet"})


def version(options: argparse.Namespace) -> int:
    from importlib.metadata import version as installed

    print(f"driftline {installed('driftline')}, Python {sys.version.split()[0]}")
    return 0


# ------------------------------------------------------------------ arguments


def _up_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--home", type=Path, default=home(), help="data directory (env DRIFTLINE_HOME)")
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=int, default=8400, help="the collector's port (%(default)s)")
    add(
        "--otlp-grpc-port",
        type=int,
        help=f"OpenTelemetry over gRPC; -1 switches it off (default: {OTLP_GRPC_PORT} if free)",
    )
    add("--dashboard-port", type=int, default=8401, help="the dashboard's port (%(default)s)")
    add("--worker-port", type=int, default=8402, help="the worker's health port (%(default)s)")
    add("--trainer-port", type=int, default=8403, help="the trainer's health port (%(default)s)")
    add("--workers", type=int, default=1, help="metric workers (%(default)s)")
    add("--no-trainer", dest="trainer", action="store_false", help="no fine-tuning")
    add("--no-dashboard", dest="dashboard", action="store_false", help="no pages")
    add("--device", default="auto", choices=["auto", "cuda", "cpu"], help="for the models")
    add("--threads", type=int, default=0, help="CPU threads a worker (default: its own choice)")
    add("--verbose", action="store_true", help="show the services' logs, not only their errors")


def _dashboard_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--url", default=os.environ.get("DRIFTLINE_URL") or DEFAULT_URL, help="the collector")
    add("--key", help="an API key (env DRIFTLINE_API_KEY; else $DRIFTLINE_HOME/admin.key)")
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=int, default=8401, help="port (%(default)s)")


UP = (
    Command(
        "up",
        "start collector, worker, trainer and dashboard on this machine",
        "Starts the services one after the other, creates the keys they need, restarts one that "
        "crashes and stops all of them in order on Ctrl-C. Data, keys and logs are in the data "
        "directory; what a service prints is in its logs/ folder, errors are shown here too.",
        "driftline up --port 9400 --dashboard-port 9401 --workers 2",
        up,
        _up_arguments,
    ),
)
PARTS = (
    Command(
        "worker",
        "run one metric worker in the foreground",
        "Leases events from the collector, scores them and tests drift windows. Any number of "
        "workers may run, on any machine that reaches the collector with a `work` key. Its own "
        "options: driftline worker -- --help",
        "driftline worker --url https://collector.example.com --key sk-dl-... --device cuda",
        worker,
        passes_on=True,
    ),
    Command(
        "trainer",
        "run one fine-tuning executor in the foreground",
        "Leases fine-tuning jobs from the collector, trains adapters and puts them through the "
        "gate. Its own options: driftline trainer -- --help",
        "driftline trainer --url https://collector.example.com --key sk-dl-...",
        trainer,
        passes_on=True,
    ),
    Command(
        "dashboard",
        "run the pages in the foreground",
        "The pages read everything over the collector's API with the given key: what the key may "
        "not do, they cannot do either.",
        "driftline dashboard --url https://collector.example.com --port 8501",
        dashboard,
        _dashboard_arguments,
    ),
)
INFORMATION = (
    Command(
        "health",
        "do the services answer",
        "Asks each service's health endpoint. Exit status 0 when the collector takes events.",
        "driftline health --url http://127.0.0.1:8400",
        health,
        connects=True,
    ),
    Command(
        "status",
        "health, and where each project stands",
        "Health, then events, scoring backlog, open incidents and drift watch of every project.",
        "driftline status",
        status,
        connects=True,
    ),
    Command(
        "version",
        "print the version",
        "The version of the installed package, and of Python.",
        "driftline version",
        version,
    ),
)
