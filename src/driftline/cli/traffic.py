"""demo, replay: recorded real traffic."""

from __future__ import annotations

import argparse
import datetime as dt
import threading
from pathlib import Path

from driftline.terminal import Terminal

from .command import Command, add_connection, connect_project, home, key_for

INTERRUPTED = 130


def demo(options: argparse.Namespace) -> int:
    from driftline.demo.run import DemoSettings, run_demo

    from .services import PARTS_NEED, require

    for module in PARTS_NEED:
        require(module)
    settings = DemoSettings(
        home=options.home.absolute(),
        port=options.port,
        change=options.change,
        control=options.control,
        serve=options.serve,
        device=options.device,
        threads=options.threads,
        verbose=options.verbose,
    )
    return run_demo(settings, Terminal())


def replay(options: argparse.Namespace) -> int:
    """Continue or begin a run; exit status 1 when the collector did not take everything."""
    import driftline
    from driftline.demo import recording
    from driftline.demo import replay as runs
    from driftline.supervisor.run import on_signals

    terminal = Terminal()
    recordings = (
        recording.read(options.file, options.change)
        if options.file
        else (recording.demo_recordings(options.change))
    )
    folder = home() / "replay"
    run = runs.open_run(folder, options.run_name, recordings, dt.datetime.now(dt.UTC))
    planned = recording.plan(recordings, run.name, run.end, options.spread * 86400.0)
    project = connect_project(options).project
    driftline.init(
        url=options.url,
        api_key=key_for(options.key),
        project=project,
        environment=options.environment,
        sample_rate=1.0,
        enabled=True,
    )
    stop = threading.Event()
    verb = "continuing" if run.resumed else "sending"
    terminal.say(
        f"{verb} {len(planned)} events to {options.url}, project {project or '(the key’s)'}"
    )
    try:
        with on_signals(stop, lambda: None), terminal.bar("events", len(planned)) as bar:
            runs.send(planned, stop, bar.to, events_per_second=options.rate)
    except runs.Interrupted:
        terminal.say("stopped; the same command continues where it was")
        return INTERRUPTED
    except runs.Undelivered as error:
        terminal.say(f"error: {error}", "red")
        return 1
    finally:
        driftline.shutdown()
    runs.close_run(folder, options.run_name, recordings)
    return 0


# ------------------------------------------------------------------ arguments


def _change(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--change",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="with the silent downgrade and the new topic (default), or without: the control run",
    )


def _demo(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--home", type=Path, default=home() / "demo", help="data directory, made afresh")
    add("--port", type=int, default=8400, help="first of five ports (%(default)s)")
    _change(parser)
    add(
        "--control",
        action="store_true",
        help="after the story, the same replay without the change in a project of its own",
    )
    add(
        "--serve",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="keep the dashboard up after the story (default: when a person sits there: standard "
        "input is a terminal and EXIT is not 1)",
    )
    add("--device", default="auto", choices=["auto", "cuda", "cpu"], help="for the models")
    add("--threads", type=int, default=0, help="CPU threads (default: the parts' own choice)")
    add("--verbose", action="store_true", help="show the services' logs too")


def _rate(text: str) -> float:
    rate = float(text)
    if rate < 0:
        raise argparse.ArgumentTypeError("a rate is not negative")
    return rate


def _replay(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", type=Path, nargs="?", help="JSON lines, or .gz (default: the demo's traffic)")
    add("--rate", type=_rate, default=0.0, help="events a second (default: as fast as they go)")
    add("--spread", type=float, default=3.0, help="days over which they happened (%(default)s)")
    add("--run-name", default="", help="names the run; the same name continues it")
    add("--environment", default="default", help="%(default)s")
    _change(parser)
    add_connection(parser)


COMMANDS = (
    Command(
        "demo",
        "the whole loop on recorded real traffic, in minutes",
        "Starts every service in a data directory of its own, replays answers of llama-2-70b, then "
        "silently those of llama-2-7b with a new topic, and shows what happens: scores, a drift "
        "incident in words, a signed webhook, a fine-tuning job with its verdict. Exit status 0 "
        "only when every step came true.",
        "EXIT=1 driftline demo        # stop after the story\n"
        "  driftline demo --no-change   # the control run: nothing must be noticed",
        demo,
        _demo,
    ),
    Command(
        "replay",
        "send recorded events through the SDK",
        "Reads events as docs/api.md describes them (or the demo's file), moves their times to the "
        "last days and logs them with the public SDK. Ids are derived from the run and the row: an "
        "interrupted replay that is started again counts nothing twice.",
        "driftline replay traffic.jsonl --project shop --rate 20",
        replay,
        _replay,
    ),
)
