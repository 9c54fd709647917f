"""The tables of the linear safety classifiers, for benchmarks/safety.py: held-out rows, sources
that were never seen, baselines, speed."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from intervals import Numbers, resampled, share
from scipy.stats import rankdata

from driftline.metrics.safety.linear import PRIORS, Task, load_model, read

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))
import safety_sources as sources
from safety_sources import Row

RED_TEAM_TURNS = 1500
SPEED_CHARACTERS = (50, 500, 2_000, 10_000, 1_000_000)
BINS = 10
ATTACK_WORDS = re.compile(
    r"(?i)ignore (?:all |any |the |your )?(?:previous|prior|above)|jailbreak|\bDAN\b"
    r"|do anything now|no restrictions|system prompt|pretend|act as|from now on|developer mode"
)
SWEAR_WORDS = re.compile(
    r"(?i)\b(?:fuck\w*|shit\w*|bitch\w*|ass(?:hole)?s?|cunt\w*|whore\w*|hoes?|nigg\w*|fag\w*|retard\w*"
    r"|idiot\w*|stupid|moron\w*|dick\w*|pussy|slut\w*|bastard\w*|trash|scum)\b"
)


@dataclass(frozen=True, slots=True)
class Detector:
    """Something that scores a text. threshold: from where it flags; None: it only ranks."""

    told: str
    chance: Callable[[str], float]
    threshold: float | None = 0.5


ALWAYS = Detector("always", lambda text: 1.0)
LENGTH = Detector("length", lambda text: float(len(text)), None)
ATTACKS = Detector(
    "words such as `ignore previous`", lambda text: float(bool(ATTACK_WORDS.search(text)))
)
SWEARING = Detector("words that swear", lambda text: float(bool(SWEAR_WORDS.search(text))))


def ours(task: Task) -> Detector:
    model = load_model(task)
    told = f"ours, flagged from {model.threshold:g}"
    return Detector(told, lambda text: read(model, text).probability, model.threshold)


# ---------------------------------------------------------------------------------- measures


def auroc(chances: Numbers, labels: Numbers) -> float:
    ranks, positive = rankdata(chances), labels.sum()
    negative = len(labels) - positive
    return float((ranks[labels > 0].sum() - positive * (positive + 1) / 2) / (positive * negative))


def f1(said: Numbers, labels: Numbers) -> float:
    return float(2 * (said * labels).sum() / max(said.sum() + labels.sum(), 1))


def calibration_error(chances: Numbers, labels: Numbers, prior: float) -> float:
    """|mean probability - share| over BINS equal bins, the positive rows weighing `prior`."""
    weight = np.where(labels > 0, prior / labels.sum(), (1 - prior) / (1 - labels).sum())
    bins = np.minimum((chances * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weight * (chances - labels), BINS)
    return float(np.abs(gaps).sum())


# ------------------------------------------------------------------------------------ tables


def compared(rows: Sequence[Row], detectors: Sequence[Detector]) -> None:
    """A row for each detector."""
    labels = np.array([float(row.label) for row in rows])
    print(f"\n{labels.sum():.0f} positive, {(1 - labels).sum():.0f} harmless.\n")
    print("| detector | AUROC | F1 | precision | recall |\n|---|---|---|---|---|")
    for detector in detectors:
        chances = np.array([detector.chance(row.text) for row in rows])
        cells = [detector.told, resampled(auroc, chances, labels)]
        if detector.threshold is None:
            cells += ["", "", ""]
        else:
            said = (chances >= detector.threshold).astype(np.float64)
            right = int((said * labels).sum())
            cells += [
                resampled(f1, said, labels),
                share(right, int(said.sum())),
                share(right, int(labels.sum())),
            ]
        print(f"| {' | '.join(cells)} |")


def by_source(task: Task, rows: Sequence[Row]) -> None:
    print("\nHeld out, by source:\n")
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(f"{row.source} {row.kind}".strip(), []).append(row.text)
    flagged_table(task, found)


def flagged_table(task: Task, texts: dict[str, list[str]]) -> None:
    detector = ours(task)
    print("| source | n | flagged |\n|---|---|---|")
    for source, found in texts.items():
        flagged = sum(detector.chance(text) >= (detector.threshold or 0) for text in found)
        print(f"| {source} | {len(found)} | {flagged}: {share(flagged, len(found))} |")


def calibration_line(task: Task, rows: Sequence[Row]) -> None:
    labels = np.array([float(row.label) for row in rows])
    chances = np.array([ours(task).chance(row.text) for row in rows])
    prior = PRIORS[task]
    error = resampled(lambda p, y: calibration_error(p, y, prior), chances, labels)
    print(f"\nCalibration error where {prior:g} of the texts are positive: {error}\n")


def speed_table(task: Task, texts: Sequence[str]) -> None:
    """Processor milliseconds a text, the median of repeats, on one thread where numpy has one."""
    model, joined = load_model(task), "\n".join(texts)
    print("\n| characters | ms |\n|---|---|")
    for length in SPEED_CHARACTERS:
        text = (joined * (length // len(joined) + 1))[:length]
        took = []
        for _ in range(max(3, 200 if length < 100_000 else 3)):
            started = time.process_time_ns()
            read(model, text)
            took.append((time.process_time_ns() - started) / 1e6)
        print(f"| {length:,} | {np.median(took):.2f} |")


def never_seen(data: Path) -> dict[str, list[str]]:
    """Texts of sources that no classifier was fitted on and no threshold chosen by."""
    return {
        "arena prompts": sources.arena(data),
        "alpaca_eval prompts": sources.alpaca_eval(data),
        "alpaca_eval answers": sources.alpaca_eval(data, "output"),
        "RAGTruth test prompts, with passages": sources.ragtruth(data, "prompt", "test"),
        "mail, hard ham (easy ham was seen)": sources.mail(data, "hard-ham"),
        "SMS that are no spam": sources.sms(data),
    }


def red_team(data: Path) -> dict[str, list[str]]:
    return {
        "red-team dialogues, human turns": sources.some(
            sources.dialogue_turns(data, "Human"), RED_TEAM_TURNS
        ),
        "the same, answers": sources.some(
            sources.dialogue_turns(data, "Assistant"), RED_TEAM_TURNS
        ),
    }


def jailbreak_table(data: Path, _: Sequence[str]) -> None:
    print("\n### Prompt injection and jailbreak, held out")
    rows = sources.divide(sources.jailbreak_rows(data))["test"]
    compared(rows, (ours("jailbreak"), ATTACKS, ALWAYS, LENGTH))
    by_source("jailbreak", rows)
    calibration_line("jailbreak", rows)
    print("\nSources never seen, none of them an attack by our labels:\n")
    flagged_table("jailbreak", never_seen(data) | {
        "written look-alikes": sources.lookalikes("harmless_test"),
        "do-not-answer: harmful, asked plainly": sources.do_not_answer(data),
    } | red_team(data))  # fmt: skip
    speed_table("jailbreak", sources.arena(data))


def toxicity_table(data: Path, _: Sequence[str]) -> None:
    detectors = (ours("toxicity"), SWEARING, ALWAYS, LENGTH)
    rows = sources.divide(sources.toxicity_rows(data))["test"]
    print("\n### Toxicity, held out")
    compared(rows, detectors)
    print("\nOf them the tweets alone, where the source cannot help:")
    compared([row for row in rows if row.source == sources.TWEETS], detectors)
    by_source("toxicity", rows)
    calibration_line("toxicity", rows)
    print("\n**surge**, never seen")
    compared(sources.surge(data), detectors)
    calibration_line("toxicity", sources.surge(data))
    print("\nOther sources never seen:\n")
    flagged_table("toxicity", never_seen(data) | {
        "BANKING77 test queries": sources.banking(data, "test"),
        "about toxic language, not toxic": sources.lookalikes("quoted_or_reclaimed"),
        "contempt without swear words (toxic)": sources.lookalikes("polite_contempt"),
    } | red_team(data))  # fmt: skip
    speed_table("toxicity", sources.arena(data))
