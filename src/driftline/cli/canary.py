"""canary: ask a deployed model the same prompts again, and see whether it still says the same."""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.util
import json
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from driftline.sdk.errors import ConfigError
from driftline.sdk.records import encode
from driftline.terminal import Terminal

from .command import Command, add_connection, connect_project, home, key_for
from .services import require

if TYPE_CHECKING:
    from driftline.canary.model import Model
    from driftline.canary.report import Judge, Report
    from driftline.canary.run import Journal

INTERRUPTED = 130
SHOWN_PROMPTS = 10
SHOWN_CHARACTERS = 60


def canary(options: argparse.Namespace) -> int:
    """Continue or begin a run, and report; exit status 1 when the model is down."""
    import driftline
    from driftline.canary import report as reports
    from driftline.canary import run as runs
    from driftline.canary.prompts import fingerprint, read_prompts
    from driftline.supervisor.run import on_signals

    prompts = read_prompts(options.file)
    model = _model(options)
    judge = _by_nli(options.nli) if options.nli else _judge(options.similarity)
    folder, terminal = home() / "canary", Terminal(sys.stderr)
    asked = fingerprint(*(prompt.key for prompt in prompts))
    project = connect_project(options).project
    target = fingerprint(asked, str(options.samples), model.name, options.url, project)
    started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    journal = runs.Journal(folder / f"{target}.run.jsonl", started)
    driftline.init(
        url=options.url,
        api_key=key_for(options.key),
        project=project,
        environment=options.environment,
        sample_rate=1.0,
        enabled=True,
    )
    stop, total = threading.Event(), len(prompts) * options.samples
    terminal.say(f"{len(prompts)} prompts, {options.samples} times each, to {model.name}")
    try:
        with on_signals(stop, lambda: None), terminal.bar("answers", total) as bar:
            bar.to(len(journal.answers))
            failed = runs.ask_all(prompts, options.samples, model, journal, stop, bar.to)
        before = reports.read_report(folder / f"{asked}.report.json")
        found = reports.report(
            journal.name, model.name, prompts, journal.answers, failed, judge, before
        )
        _score(journal, found)
        runs.deliver()
    except runs.Stopped:
        terminal.say("stopped; the same command continues where it was")
        return INTERRUPTED
    finally:
        driftline.shutdown()
    reports.write_report(folder / f"{asked}.report.json", found)
    journal.close()
    return _show(options, found)


def _model(options: argparse.Namespace) -> Model:
    from driftline.canary.model import ChatModel, CommandModel

    if bool(options.command) == bool(options.endpoint):
        raise ConfigError("who answers? Give either --command or --endpoint")
    if options.command:
        return CommandModel(options.command, options.model or options.command)
    if not options.model:
        raise ConfigError("--endpoint needs --model, the name that the endpoint knows")
    key = os.environ.get(options.key_variable, "")
    return ChatModel(options.endpoint, options.model, key, options.temperature, options.logprobs)


def _judge(similarity: str) -> Judge:
    """By embeddings or by words; "auto": by embeddings, when they are installed."""
    from driftline.canary.report import Judge
    from driftline.metrics.consistency import by_embedding, by_words

    there = importlib.util.find_spec("sentence_transformers") is not None
    if similarity == "words" or (similarity == "auto" and not there):
        return Judge("shared words, numbers and negations", by_words)
    require("driftline.metrics")
    from driftline.metrics import models
    from driftline.metrics.embeddings import Embedder

    resolved = models.resolve(models.MINILM)
    embedder = Embedder.load(resolved, "cpu", resolved.label)

    def cosine(one: str, other: str) -> float:
        first, second = embedder.embed([one, other])
        return float(first @ second)

    method = f"cosine of {resolved.ref} or shared words, with equal numbers and negations"
    return Judge(method, lambda prompt: by_embedding(prompt, cosine))


def _by_nli(reference: str) -> Judge:
    """Bidirectional entailment by a model of the user's."""
    from driftline.canary.report import Judge
    from driftline.metrics.consistency import by_entailment

    require("driftline.metrics")
    from driftline.metrics import models
    from driftline.metrics.entailment import Entailment

    resolved = models.resolve(reference)
    entails = Entailment(resolved)
    method = f"entailment both ways, {resolved.label}"
    return Judge(method, lambda prompt: by_entailment(prompt, entails), entails.contradiction)


def _score(journal: Journal, found: Report) -> None:
    """Every answer of a prompt carries its prompt's scores, for the pages and charts."""
    import driftline

    by_key = {prompt.key: prompt for prompt in found.by_prompt}
    for answer in journal.answers:
        prompt = by_key[answer.prompt]
        for name in ("semantic_entropy", "self_consistency"):
            value = getattr(prompt, name)
            if value is not None:
                driftline.score(name, value, answer.id, explanation=found.method)


def _show(options: argparse.Namespace, found: Report) -> int:
    if options.json:
        print(json.dumps(encode(found), indent=2))
        return 0
    terminal = Terminal()
    then = found.previous_run and f"run {found.previous_run}"
    rows = [
        [
            "prompts answered alike, word for word",
            f"{_percent(found.identical)} ({_percent(found.identical_low)} to"
            f" {_percent(found.identical_high)})",
            _percent(found.previous_identical) if then else "",
        ],
        [
            "mean semantic entropy, nats",
            _number(found.semantic_entropy),
            _number(found.previous_semantic_entropy) if then else "",
        ],
        [
            "mean self-consistency",
            _percent(found.self_consistency),
            _percent(found.previous_self_consistency) if then else "",
        ],
        ["usual answer changed since", _percent(found.changed) if then else "no run before", ""],
        ["answers, of them failed", f"{found.answers}, {found.failed}", ""],
    ]
    terminal.table([found.model, "now (95 %)", then or "before"], rows)
    terminal.say(f"alike in meaning: {found.method}")
    wavering = [p for p in found.by_prompt if p.meanings > 1 or p.changed][:SHOWN_PROMPTS]
    if wavering:
        lines = [
            [
                _short(p.prompt),
                str(p.meanings),
                _percent(p.self_consistency),
                "changed" if p.changed else "",
                _short(p.usual),
            ]
            for p in wavering
        ]
        columns = ["prompt", "meanings", "consistency", "since", "usual answer"]
        terminal.table(columns, lines, "Where it wavers most, or says something else")
    return 0


def _percent(value: float | None) -> str:
    return "not enough data" if value is None else f"{100 * value:.0f} %"


def _number(value: float | None) -> str:
    return "not enough data" if value is None else f"{value:.3f}"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= SHOWN_CHARACTERS else f"{flat[: SHOWN_CHARACTERS - 1]}…"


def _samples(text: str) -> int:
    count = int(text)
    if not 2 <= count <= 100:
        raise argparse.ArgumentTypeError("between 2 and 100: one answer says nothing of the next")
    return count


def _arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", type=Path, help="JSON lines: a string, or messages, each")
    add("--command", help="a shell command: prompt on standard input, answer on standard output")
    add("--endpoint", help="an OpenAI-compatible address, such as https://api.openai.com/v1")
    add(
        "--model", default="", help="the endpoint's name of the model; of a command, how to call it"
    )
    add("--key-variable", default="OPENAI_API_KEY", help="holds the endpoint's key (%(default)s)")
    add("--temperature", type=float, help="default: the endpoint's")
    add("--logprobs", action="store_true", help="ask the endpoint for token log-probabilities")
    add("--samples", type=_samples, default=5, help="answers a prompt (%(default)s)")
    add(
        "--similarity",
        default="auto",
        choices=["auto", "embeddings", "words"],
        help="what makes two answers alike (auto: embeddings, when installed)",
    )
    add("--nli", default="", help="a classifier of entailment decides instead: hf:NAME or a folder")
    add("--environment", default="canary", help="of the logged answers (%(default)s)")
    add_connection(parser)


COMMANDS = (
    Command(
        "canary",
        "ask a model the same prompts again: does it say the same?",
        "Asks every prompt of a file several times, logs the answers (tag canary, a session a "
        "prompt), and reports how far the model repeats itself and what changed since the last run "
        "of the same prompts. After Ctrl-C the same command continues.",
        'driftline canary prompts.jsonl --command "./ask.sh" --project shop-canary',
        canary,
        _arguments,
    ),
)
