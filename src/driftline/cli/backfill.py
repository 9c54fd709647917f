"""backfill: score a span of time again and watch until it is done; on this fleet, or over Ray."""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from driftline.sdk.api import Api
from driftline.terminal import Bar, Terminal

from .command import SLOW_SECONDS, Command, add_connection, connect_project, home, moment
from .output import show_facts
from .services import require

POLL_SECONDS = 1.0
ENGINES = ("workers", "ray")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a backfill set out to do; `before`: what was scored later is done already."""

    since: str
    until: str
    before: str


def backfill(options: argparse.Namespace) -> int:
    """Interrupted, the same command goes on where it was: nothing is computed a third time."""
    api = connect_project(options, SLOW_SECONDS)
    with _planned(options, api) as plan:
        api.rescore(plan.since, plan.until, plan.before)
        waiting = _left(api, plan)
        if options.no_wait:
            return show_facts(options, {"events to score": waiting})
        with Terminal().bar("events", waiting) as bar:
            if options.engine == "ray":
                _on_ray(options, api, plan, bar, waiting)
            _watch(api, plan, bar, waiting)
        failed = api.overview(start=plan.since, end=plan.until, buckets=1).failed_scoring
    return show_facts(options, {"scored again": waiting, "in quarantine there": failed})


@contextmanager
def _planned(options: argparse.Namespace, api: Api) -> Iterator[Plan]:
    """The plan of an interrupted backfill of the same words, or a new one; forgotten when done."""
    words = [options.url, api.project, options.since, options.until]
    name = hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
    path = home() / "backfills" / f"{name}.json"
    plan = _read(path)
    if plan is None:
        now = dt.datetime.now(dt.UTC).isoformat()
        plan = Plan(moment(options.since), moment(options.until), now)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(plan)))
    elif not options.json:
        Terminal().say(f"goes on with the backfill that began at {plan.before}")
    yield plan
    path.unlink(missing_ok=True)


def _read(path: Path) -> Plan | None:
    try:
        return Plan(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _left(api: Api, plan: Plan) -> int:
    return api.overview(start=plan.since, end=plan.until, buckets=1).pending


def _watch(api: Api, plan: Plan, bar: Bar, waiting: int) -> None:
    pause = threading.Event()
    while left := _left(api, plan):
        bar.to(waiting - left, _note(api))
        pause.wait(POLL_SECONDS)
    bar.to(waiting)


def _note(api: Api) -> str:
    """Who is at it."""
    busy = [w for w in api.workers() if not w.silent and w.report.state != "stopped"]
    if not busy:
        return "no worker reports: start one with `driftline worker`"
    speed = sum(w.report.events_per_second for w in busy)
    return f"{len(busy)} workers, {speed:.1f} events/s"


def _on_ray(options: argparse.Namespace, api: Api, plan: Plan, bar: Bar, waiting: int) -> None:
    """Workers in a Ray cluster, with a key of their own that ends with the backfill."""
    require("driftline.metrics")
    from driftline.metrics import on_ray

    cluster = on_ray.Cluster(
        options.ray_address, options.ray_workers, options.ray_cpus, options.ray_gpus
    )
    key = api.create_key("work", "backfill on Ray")
    source = on_ray.Source(
        options.url, key.secret, api.project, options.max_events, ("--device", options.device)
    )
    pause = threading.Event()
    try:
        while left := _left(api, plan):
            done = waiting - left
            for events in on_ray.backfill(source, cluster, left):
                done += events
                bar.to(min(done, waiting), f"{options.ray_workers} workers on Ray")
            # What is left is held by others, or by an actor that died, until its lease runs out.
            pause.wait(POLL_SECONDS)
    finally:
        api.revoke_key(key.id)


def _time(text: str) -> str:
    """A time as `moment` reads it, but in the words that were given (an argparse type)."""
    moment(text)
    return text


def _arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--since", type=_time, required=True, help="a time, or ago: 30m, 24h, 7d")
    add("--until", type=_time, default="0s", help="now")
    add("--no-wait", action="store_true", help="mark the events and return")
    add("--engine", choices=ENGINES, default="workers", help="who computes (%(default)s)")
    ray = parser.add_argument_group("with --engine ray")
    ray.add_argument("--ray-address", default="", help="the cluster; none: Ray on this machine")
    ray.add_argument("--ray-workers", type=int, default=1, help="actors (%(default)s)")
    ray.add_argument("--ray-cpus", type=float, default=1.0, help="of each actor (%(default)s)")
    ray.add_argument("--ray-gpus", type=float, default=0.0, help="of each actor (%(default)s)")
    ray.add_argument("--device", default="auto", help="auto, cpu or cuda (%(default)s)")
    ray.add_argument("--max-events", type=int, default=16, help="events a lease (%(default)s)")
    add_connection(parser)


COMMANDS = (
    Command(
        "backfill",
        "score a span of time again, and watch until it is done",
        "Marks the events of the span as unscored, as `rescore` does, and shows how many are left. "
        "Fresh events go first all the while. Interrupted, the same command goes on where it was. "
        "With --engine ray the workers are actors on a Ray cluster.",
        "driftline backfill --since 30d --until 7d --engine ray --ray-workers 8 --ray-gpus 1",
        backfill,
        _arguments,
    ),
)
