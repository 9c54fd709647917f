"""The gate: may this candidate replace its base?

Hard checks: better on held-out answers of the task (target.py), and still itself elsewhere
(retention.py). When only retention fails, the adapter is turned down and judged again: scaling the
LoRA update to about half keeps the task and brings the model back, without training anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from driftline.sdk.records import GateCheck, GateExample, GateReport

from .batches import IGNORED, Tokens, by_length, ids, tokenize
from .candidate import Candidate, Check
from .prompt import Renderer
from .retention import MAX_NEW_TOKENS, PROMPTS, Phrase, retention_checks, typical_phrases
from .rows import Row
from .target import Likelihood, compare, target_check

STRENGTHS = (1.0, 0.55, 0.4)
MAX_KL = 0.35  # nats a token; healthy runs measured .01 to .35, ruined ones .34 to .44: a hint only
TASK_EXAMPLES, EVERYDAY_EXAMPLES = 2, 3
EXAMPLE_TOKENS = 32


@dataclass(frozen=True, slots=True)
class Judgement:
    """The report, and the strength at which the adapter was judged (and is to be stored)."""

    report: GateReport
    strength: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """The candidate at one strength."""

    strength: float
    checks: list[GateCheck]
    answers: list[str]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks if check.hard)

    @property
    def lost_itself(self) -> bool:
        return any(not c.passed for c in self.checks if c.name.startswith("retention"))


class Gate:
    """Judges one candidate on one test split; `check` is called between forward passes."""

    def __init__(
        self,
        candidate: Candidate,
        renderer: Renderer,
        test: Sequence[Row],
        train_completions: Sequence[str],
        *,
        batch_size: int,
        seed: int,
        check: Check,
        strengths: Sequence[float] = STRENGTHS,
    ) -> None:
        self._candidate = candidate
        self._test = test
        self._tokens = tokenize(test, candidate.tokenizer)
        self._typical: set[Phrase] = typical_phrases(map(renderer.clean, train_completions))
        self._prompts = [renderer.prompt(question) for question in PROMPTS]
        self._batch_size = batch_size
        self._seed = seed
        self._check = check
        self._strengths = strengths

    def judge(self) -> Judgement:
        """The verdict with its reasons; leaves the candidate at the judged strength."""
        with self._candidate.base():
            before = self._candidate.nll(self._tokens, self._batch_size, self._check)
            answers = self._answers()
        attempts = self._attempts(before, answers)
        chosen = next((a for a in attempts if a.passed), attempts[0])
        self._candidate.set_strength(chosen.strength)
        checks = [*chosen.checks, self._kl_check(answers), strength_check(attempts, chosen)]
        report = GateReport(
            verdict="promote" if chosen.passed else "reject",
            summary=summary(attempts, chosen),
            checks=checks,
            examples=[*self._task_examples(), *everyday_examples(answers, chosen.answers)],
        )
        return Judgement(report, chosen.strength)

    def _attempts(self, before: Sequence[Likelihood], answers: Sequence[str]) -> list[Attempt]:
        """The full strength first; lower ones only when the model lost itself."""
        attempts: list[Attempt] = []
        for strength in self._strengths:
            attempts.append(self._attempt(strength, before, answers))
            if attempts[-1].passed or not attempts[-1].lost_itself:
                break
        return attempts

    def _attempt(
        self, strength: float, before: Sequence[Likelihood], answers: Sequence[str]
    ) -> Attempt:
        self._candidate.set_strength(strength)
        after = self._candidate.nll(self._tokens, self._batch_size, self._check)
        tuned = self._answers()
        target = target_check(compare(before, after, self._seed))
        return Attempt(strength, [target, *retention_checks(answers, tuned, self._typical)], tuned)

    def _answers(self) -> list[str]:
        return self._candidate.answers(self._prompts, MAX_NEW_TOKENS, self._check)

    def _kl_check(self, answers: Sequence[str]) -> GateCheck:
        """Soft: mean KL(base ‖ candidate) per token on the base model's own everyday answers."""
        tokenizer = self._candidate.tokenizer
        rows = [
            Tokens(ids(prompt, tokenizer), ids(answer, tokenizer))
            for prompt, answer in zip(self._prompts, answers, strict=True)
            if answer
        ]
        if not rows:
            words = "the base model gave no answers to measure on"
            return GateCheck("retention_kl", False, False, None, None, MAX_KL, words)
        value = divergence(self._candidate, rows, self._batch_size, self._check)
        words = (
            f"everyday answers moved by {value:.3f} nats a token (a hint: healthy is < {MAX_KL})"
        )
        return GateCheck("retention_kl", value < MAX_KL, False, value, 0.0, MAX_KL, words)

    def _task_examples(self) -> list[GateExample]:
        rows = self._test[:TASK_EXAMPLES]
        prompts = [row.prompt for row in rows]
        with self._candidate.base():
            before = self._candidate.answers(prompts, EXAMPLE_TOKENS, self._check)
        after = self._candidate.answers(prompts, EXAMPLE_TOKENS, self._check)
        triples = zip(rows, before, after, strict=True)
        return [GateExample(row.question, first, second) for row, first, second in triples]


def divergence(
    candidate: Candidate, rows: Sequence[Tokens], batch_size: int, check: Check
) -> float:
    """Mean over completion tokens of KL(base ‖ candidate), in nats."""
    total, count = 0.0, 0
    for indices in by_length([len(row) for row in rows], batch_size):
        check()
        batch = candidate.collate([rows[i] for i in indices])
        kept = batch.labels != IGNORED
        with torch.inference_mode():
            tuned = candidate.logits(batch)[kept].log_softmax(-1)
            with candidate.base():
                base = candidate.logits(batch)[kept].log_softmax(-1)
        total += float((base.exp() * (base - tuned)).sum())
        count += int(kept.sum())
    return total / count


def strength_check(attempts: Sequence[Attempt], chosen: Attempt) -> GateCheck:
    """Soft: how strongly the adapter is applied, and what was tried."""
    tried = ", ".join(f"{attempt.strength:g}" for attempt in attempts)
    words = f"judged at strength {chosen.strength:g} (tried {tried})"
    return GateCheck("adapter_strength", True, False, chosen.strength, 1.0, None, words)


def summary(attempts: Sequence[Attempt], chosen: Attempt) -> str:
    """The verdict in a paragraph, with the numbers."""
    failed = [check for check in chosen.checks if check.hard and not check.passed]
    target = chosen.checks[0]
    if not failed:
        turned = ""
        if chosen.strength != 1.0:
            turned = f" At full strength the model lost itself; at {chosen.strength:g} it did not."
        return f"Promote: {target.words}; all retention checks passed.{turned}"
    reasons = "; ".join(check.words for check in failed)
    passed = f" although it is {target.words}" if target.passed else ""
    lower = [f"{attempt.strength:g}" for attempt in attempts[1:]]
    tried = f" Turning the adapter down to {' and '.join(lower)} did not help." if lower else ""
    return f"Reject{passed}: {reasons}.{tried}"


def everyday_examples(before: Sequence[str], after: Sequence[str]) -> list[GateExample]:
    triples = list(zip(PROMPTS, before, after, strict=True))[:EVERYDAY_EXAMPLES]
    return [GateExample(*triple) for triple in triples]
