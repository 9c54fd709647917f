"""What a canary run says: how far the model repeats itself, and what changed since the last run."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from driftline.metrics.consistency import (
    Contradicts,
    Meanings,
    Same,
    contradiction,
    mean_self_check,
    meanings,
)
from driftline.sdk.errors import ConfigError
from driftline.sdk.records import decode_record, encode

from .prompts import Prompt
from .run import Answer

Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Judge:
    """When two answers to a prompt mean the same, and how that is called; perhaps when one
    contradicts another.
    """

    method: str
    same: Callable[[str], Same]  # of a prompt's text
    contradicts: Contradicts | None = None


@dataclass(frozen=True, slots=True)
class PromptReport:
    """One prompt. `usual`: an answer that says what most say. None: fewer than two answers.

    changed: whether `usual` says something else than in the run before (None: not asked then).
    self_check: unigrams, nats; contradiction: by NLI, None without such a model.
    """

    key: str
    prompt: str
    answers: int
    identical: bool | None
    meanings: int
    semantic_entropy: float | None
    self_consistency: float | None
    self_check: float | None
    usual: str
    changed: bool | None = None
    contradiction: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A run. identical: share of prompts whose answers are all the same text, with its 95 %
    interval (Wilson); the means are over prompts. `method`: how answers were found to mean the
    same. changed: share of the prompts asked in both runs whose usual answer says something else.
    """

    run: str
    model: str
    method: str
    prompts: int
    answers: int
    failed: int
    identical: float | None
    identical_low: float | None
    identical_high: float | None
    semantic_entropy: float | None
    self_consistency: float | None
    previous_run: str = ""
    previous_identical: float | None = None
    previous_semantic_entropy: float | None = None
    previous_self_consistency: float | None = None
    changed: float | None = None
    by_prompt: list[PromptReport] = field(default_factory=list)


def report(
    run: str,
    model: str,
    prompts: Sequence[Prompt],
    answers: Sequence[Answer],
    failed: int,
    judge: Judge,
    before: Report | None,
) -> Report:
    """All prompts, the most wavering first."""
    last = {found.key: found for found in before.by_prompt} if before else {}
    found = [
        _prompt(prompt, [a.text for a in answers if a.prompt == prompt.key], judge, last)
        for prompt in prompts
    ]
    found.sort(key=lambda p: -(p.semantic_entropy or 0.0))
    same = [p.identical for p in found if p.identical is not None]
    low, high = wilson(sum(same), len(same))
    changes = [p.changed for p in found if p.changed is not None]
    return Report(
        run=run,
        model=model,
        method=judge.method,
        prompts=len(prompts),
        answers=len(answers),
        failed=failed,
        identical=_mean(same),
        identical_low=low,
        identical_high=high,
        semantic_entropy=_mean([p.semantic_entropy for p in found]),
        self_consistency=_mean([p.self_consistency for p in found]),
        previous_run=before.run if before else "",
        previous_identical=before.identical if before else None,
        previous_semantic_entropy=before.semantic_entropy if before else None,
        previous_self_consistency=before.self_consistency if before else None,
        changed=_mean(changes),
        by_prompt=found,
    )


def wilson(hits: int, trials: int) -> tuple[float | None, float | None]:
    """The 95 % interval of a share (Wilson 1927)."""
    if not trials:
        return None, None
    share, square = hits / trials, Z95**2
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    half = Z95 * math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    half /= 1 + square / trials
    return max(0.0, middle - half), min(1.0, middle + half)


def read_report(path: Path) -> Report | None:
    """The last finished run's, or None. Raises ConfigError when it is damaged."""
    if not path.exists():
        return None
    try:
        return decode_record(Report, json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is damaged: delete it to compare with nothing") from error


def write_report(path: Path, found: Report) -> None:
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(encode(found), indent=2), "utf-8")
    os.replace(partial, path)


def _prompt(
    prompt: Prompt, texts: Sequence[str], judge: Judge, last: dict[str, PromptReport]
) -> PromptReport:
    same = judge.same(prompt.text)
    found: Meanings = meanings(texts, same)
    usual = texts[found.clusters[0][0]] if texts else ""
    before = last.get(prompt.key)
    changed = None
    if before is not None and before.answers and texts:
        changed = usual != before.usual and not same(before.usual, usual)
    return PromptReport(
        key=prompt.key,
        prompt=prompt.text,
        answers=len(texts),
        identical=len({text.strip() for text in texts}) == 1 if len(texts) > 1 else None,
        meanings=len(found.clusters),
        semantic_entropy=found.entropy,
        self_consistency=found.consistency,
        self_check=mean_self_check(texts),
        usual=usual,
        changed=changed,
        contradiction=contradiction(texts, judge.contradicts) if judge.contradicts else None,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return math.fsum(numbers) / len(numbers) if numbers else None
