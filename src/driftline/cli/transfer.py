"""export, import: a project's traffic as a file."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from driftline.sdk.errors import ConfigError
from driftline.terminal import Terminal

from .command import Command, add_connection, connect_project, home, moment
from .output import show_facts

INTERRUPTED = 130


def run_export(options: argparse.Namespace) -> int:
    """Raises ConfigError when nothing can be written there."""
    from driftline.transfer.export import Export, check_target, interrupted_range
    from driftline.transfer.export import run_export as run

    target = options.out.absolute()
    check_target(target)
    if target.exists() and not options.overwrite:
        raise ConfigError(f"{target} exists: choose another name, or give --overwrite")
    start, end = interrupted_range(target) or (options.since, options.until or moment("0s"))
    api = connect_project(options)
    terminal = Terminal()
    total = api.overview(start=start, end=end, buckets=1).events
    with terminal.bar("events", total) as bar:
        count = run(api, Export(target, start, end), bar.to)
    size = target.stat().st_size
    return show_facts(options, {"file": str(target), "events": count, "bytes": size})


def run_import(options: argparse.Namespace) -> int:
    """Exit status 1 when rows were rejected: they are in the file of rejects, with reasons."""
    from driftline.supervisor.run import on_signals
    from driftline.transfer import loading

    columns = loading.check_source(options.file, options.map)
    api = connect_project(options)
    rejects = options.rejects or options.file.with_name(options.file.name + ".rejects.jsonl")
    journal = loading.journal_path(home() / "imports", options.file, api.project)
    wanted = loading.Import(options.file, options.format, columns, rejects, journal)
    terminal, stop = Terminal(), threading.Event()
    with (
        on_signals(stop, lambda: None),
        terminal.bar("rows", loading.count_rows(options.file)) as bar,
    ):
        try:
            report = loading.run_import(
                api, wanted, lambda r: bar.to(r.rows, f"{r.rejected} rejected"), stop
            )
        except loading.Stopped:
            terminal.say("stopped; the same command continues where it was")
            return INTERRUPTED
    facts: dict[str, object] = {
        "rows": report.rows,
        "format": report.format,
        "stored": report.accepted,
        "stored before": report.duplicates,
        "rejected": report.rejected,
    }
    if report.rejected:
        facts["rejects"] = str(rejects)
    show_facts(options, facts)
    return 1 if report.rejected else 0


def _export(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--out", type=Path, required=True, help="the file: NAME.jsonl or NAME.parquet")
    add("--since", type=moment, default=moment("30d"), help="time or time ago (default: 30d)")
    add("--until", type=moment, help="time or time ago (default: now)")
    add("--overwrite", action="store_true", help="replace the file when it exists")
    add_connection(parser)


def _import(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", type=Path, help="JSON lines, a JSON list, CSV or Parquet; .gz too")
    add(
        "--format",
        default="",
        choices=["driftline", "table", "openai", "langfuse", "phoenix"],
        help="whose rows these are (default: told by the first row)",
    )
    add(
        "--map",
        action="append",
        default=[],
        metavar="FIELD=COLUMN",
        help="which column holds a field, for tables with other names; may be repeated",
    )
    add("--rejects", type=Path, help="where refused rows go (default: FILE.rejects.jsonl)")
    add_connection(parser)


COMMANDS = (
    Command(
        "export",
        "write a project's events and scores to a file",
        "JSON lines or Parquet, one event a row with all its fields and scores, oldest first. The "
        "file appears when it is whole; an interrupted export is continued by the same command.",
        "driftline export --project shop --since 7d --out shop.parquet",
        run_export,
        _export,
    ),
    Command(
        "import",
        "store events of a file: ours, a table, OpenAI, Langfuse or Phoenix",
        "Ids are made of the rows, so the same file imported again adds nothing; an interrupted "
        "import is continued by the same command. Rows that are refused go to a file with the "
        "reason; the exit status is then 1. Rows without a time get the file's.",
        "driftline import log.csv --project shop --map input=Prompt --map output=Reply",
        run_import,
        _import,
    ),
)
