"""monitor, incidents, jobs, rescore: how quality is watched, and what is done about a change."""

from __future__ import annotations

import argparse
import dataclasses
import getpass
from collections.abc import Callable

from driftline.sdk.errors import ConfigError
from driftline.sdk.records import Incident, Job, JobSpec, Monitor

from .command import Command, connect_project, moment
from .output import Column, show_facts, show_list, show_one

INCIDENT_COLUMNS: list[Column[Incident]] = [
    ("id", lambda i: i.id),
    ("state", lambda i: i.state),
    ("severity", lambda i: i.severity),
    ("opened", lambda i: i.opened_at),
    ("title", lambda i: i.title),
]
INCIDENT_DETAILS: list[Column[Incident]] = [
    *INCIDENT_COLUMNS,
    ("summary", lambda i: i.summary),
    ("signals", lambda i: [s.signal for s in i.signals if s.drifted]),
    ("examples", lambda i: i.examples),
    ("job", lambda i: i.job_id),
    ("deliveries", lambda i: [f"{d.url} {d.state}" for d in i.deliveries]),
]
JOB_COLUMNS: list[Column[Job]] = [
    ("id", lambda j: j.id),
    ("state", lambda j: j.state),
    ("created", lambda j: j.created_at),
    ("incident", lambda j: j.incident_id),
    ("message", lambda j: j.error or j.message),
]
JOB_DETAILS: list[Column[Job]] = [
    *JOB_COLUMNS,
    ("base", lambda j: j.spec.base),
    ("rows", lambda j: f"{j.dataset.train} to train on" if j.dataset else None),
    ("last loss", lambda j: j.losses[-1].loss if j.losses else None),
    ("verdict", lambda j: j.gate.verdict if j.gate else None),
    ("because", lambda j: j.gate.summary if j.gate else None),
    ("model", lambda j: j.model_id),
]
MONITOR_COLUMNS: list[Column[Monitor]] = [
    (f.name, lambda m, name=f.name: getattr(m, name))
    for f in dataclasses.fields(Monitor)
    if f.name != "job"
] + [("job", lambda m: m.job or "(defaults)")]

JOB_FIELDS: dict[str, Callable[[str], object]] = {
    name: type(value) for name, value in dataclasses.asdict(JobSpec()).items()
}


def show_monitor(options: argparse.Namespace) -> int:
    return show_one(options, connect_project(options).monitor(), MONITOR_COLUMNS)


def set_monitor(options: argparse.Namespace) -> int:
    api = connect_project(options)
    names = [f.name for f in dataclasses.fields(Monitor) if f.name != "job"]
    given = {n: getattr(options, n) for n in names if getattr(options, n) is not None}
    monitor = dataclasses.replace(api.monitor(), **given)
    if options.job:
        spec = dataclasses.replace(monitor.job or JobSpec(), **dict(options.job))
        monitor = dataclasses.replace(monitor, job=spec)
    elif not given:
        raise ConfigError("nothing to set: `driftline monitor set --help` lists the settings")
    return show_one(options, api.set_monitor(monitor), MONITOR_COLUMNS)


def job_setting(text: str) -> tuple[str, object]:
    """NAME=VALUE of a JobSpec field (an argparse type)."""
    name, _, value = text.partition("=")
    kind = JOB_FIELDS.get(name)
    if kind is None:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(JOB_FIELDS)}")
    try:
        return name, kind(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value!r} is no value for {name}") from None


def list_incidents(options: argparse.Namespace) -> int:
    incidents = connect_project(options).incidents(state=options.state, limit=options.limit)
    return show_list(options, incidents, INCIDENT_COLUMNS, "no incidents")


def show_incident(options: argparse.Namespace) -> int:
    return show_one(options, connect_project(options).incident(options.id), INCIDENT_DETAILS)


def acknowledge(options: argparse.Namespace) -> int:
    incident = connect_project(options).acknowledge(options.id, options.by)
    return show_one(options, incident, INCIDENT_COLUMNS)


def resolve(options: argparse.Namespace) -> int:
    incident = connect_project(options).resolve(options.id, options.by)
    return show_one(options, incident, INCIDENT_COLUMNS)


def list_jobs(options: argparse.Namespace) -> int:
    jobs = connect_project(options).jobs(limit=options.limit)
    return show_list(options, jobs, JOB_COLUMNS, "no fine-tuning jobs")


def show_job(options: argparse.Namespace) -> int:
    return show_one(options, connect_project(options).job(options.id), JOB_DETAILS)


def approve_job(options: argparse.Namespace) -> int:
    return show_one(options, connect_project(options).approve_job(options.id), JOB_COLUMNS)


def cancel_job(options: argparse.Namespace) -> int:
    return show_one(options, connect_project(options).cancel_job(options.id), JOB_COLUMNS)


def rescore(options: argparse.Namespace) -> int:
    events = connect_project(options).rescore(options.since, options.until or moment("0s"))
    return show_facts(options, {"events to score again": events})


# ------------------------------------------------------------------ arguments


def _id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="as `list` prints it")


def _id_and_by(parser: argparse.ArgumentParser) -> None:
    _id(parser)
    parser.add_argument("--by", default=_user(), help="your name (now %(default)s)")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user in this container
        return "cli"


def _limit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=int, default=50, help="at most so many (%(default)s)")


def _state(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state", default="", choices=["open", "acknowledged", "resolved"], help="only these"
    )
    _limit(parser)


def _since(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", type=moment, required=True, help="a time, or 24h, 7d ago")
    parser.add_argument("--until", type=moment, help="default: now")


def _settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--enabled", action=argparse.BooleanOptionalAction, default=None, help="watch at all"
    )
    parser.add_argument("--reference-events", type=int, help="events that make the reference")
    parser.add_argument("--window-events", type=int, help="events a window that is tested")
    parser.add_argument("--alpha", type=float, help="false alarms a window, after correction")
    parser.add_argument("--permutations", type=int, help="permutations a test")
    parser.add_argument("--resolve-after", type=int, help="stable windows that end an incident")
    parser.add_argument(
        "--finetune", choices=["off", "propose", "auto"], help="what an incident does about a job"
    )
    parser.add_argument(
        "--job",
        action="append",
        type=job_setting,
        metavar="NAME=VALUE",
        help=f"a setting of the job, repeatable: {', '.join(JOB_FIELDS)}",
    )


def _command(
    name: str,
    summary: str,
    text: str,
    example: str,
    run: Callable[[argparse.Namespace], int],
    arguments: Callable[[argparse.ArgumentParser], None],
) -> Command:
    return Command(name, summary, text, example, run, arguments, connects=True)


def _none(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def _rescore(name: str, text: str) -> Command:
    example = f"driftline {name} --since 7d --until 2026-01-31T12:00:00Z"
    return _command(name, "score events (again)", text, example, rescore, _since)


COMMANDS = (
    Command(
        "monitor",
        "how a project is watched for drift",
        "The first scored events become the reference; each next window is tested against it. "
        "Smaller windows notice sooner, larger ones notice smaller changes.",
        "driftline monitor set --window-events 200 --finetune propose",
        children=(
            _command(
                "show",
                "show the settings",
                "All settings of one project's watch.",
                "driftline monitor show --project shop",
                show_monitor,
                _none,
            ),
            _command(
                "set",
                "change settings; what is not given stays",
                "Windows that were tested keep their decision; the next ones use the new settings.",
                "driftline monitor set --alpha 0.01 --finetune auto --job max_steps=40",
                set_monitor,
                _settings,
            ),
        ),
    ),
    Command(
        "incidents",
        "list, show, acknowledge and resolve incidents",
        "An incident opens when a window drifted, says in words what changed, and closes after "
        "enough stable windows or by hand.",
        "driftline incidents list --state open",
        children=(
            _command(
                "list",
                "list incidents, newest first",
                "Of one project.",
                "driftline incidents list --state open --json",
                list_incidents,
                _state,
            ),
            _command(
                "show",
                "one incident: what changed, by how much, who was told",
                "With --json also every test and every delivery.",
                "driftline incidents show 0199c3",
                show_incident,
                _id,
            ),
            _command(
                "ack",
                "say that you look after it",
                "The incident stays, and is shown with your name.",
                "driftline incidents ack 0199c3 --by ana",
                acknowledge,
                _id_and_by,
            ),
            _command(
                "resolve",
                "close it",
                "The next drifting window opens a new one.",
                "driftline incidents resolve 0199c3 --by ana",
                resolve,
                _id_and_by,
            ),
        ),
    ),
    Command(
        "jobs",
        "list, show, approve and cancel fine-tuning jobs",
        "An incident proposes a job (or starts one, by the monitor's setting); the trainer curates "
        "a dataset from the traffic, trains an adapter and puts it through the gate.",
        "driftline jobs approve 0199c4",
        children=(
            _command(
                "list",
                "list jobs, newest first",
                "Of one project.",
                "driftline jobs list",
                list_jobs,
                _limit,
            ),
            _command(
                "show",
                "one job: its data, its loss, its verdict",
                "With --json also the loss curves and every check of the gate.",
                "driftline jobs show 0199c4 --json",
                show_job,
                _id,
            ),
            _command(
                "approve",
                "let a proposed job run",
                "The next free trainer takes it.",
                "driftline jobs approve 0199c4",
                approve_job,
                _id,
            ),
            _command(
                "cancel",
                "stop a job, or withdraw it",
                "A running trainer stops at its next report.",
                "driftline jobs cancel 0199c4",
                cancel_job,
                _id,
            ),
        ),
    ),
    _rescore(
        "rescore",
        "Marks the events of a time span as unscored; workers score them again. For a new version "
        "of the metrics, or after an outage of a model.",
    ),
)
