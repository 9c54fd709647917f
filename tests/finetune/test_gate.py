"""The gate on the real base model: a ruined candidate is rejected, a healthy one promoted."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from driftline.finetune.batches import tokenize
from driftline.finetune.candidate import Candidate, load_candidate
from driftline.finetune.gate import Gate
from driftline.finetune.prompt import Renderer
from driftline.finetune.rows import Row
from driftline.finetune.train import TrainingRun
from driftline.sdk.records import GateCheck, GateReport, JobSpec

pytestmark = pytest.mark.model

SENDERS = ("your bank", "the post office", "a lottery", "the tax office", "a cousin", "the IT desk")
ASKS = (
    "wants your password",
    "asks you to open a file",
    "says you have won",
    "needs a gift card today",
    "asks for your PIN",
)
Answer = Callable[[str, str], str]


@dataclass(frozen=True)
class Trained:
    """A trained candidate with the data it is judged on."""

    candidate: Candidate
    renderer: Renderer
    train: list[Row]
    test: list[Row]

    def gate(self, strengths: tuple[float, ...]) -> Gate:
        return Gate(
            self.candidate,
            self.renderer,
            self.test,
            [row.completion for row in self.train],
            batch_size=4,
            seed=7,
            check=lambda: None,
            strengths=strengths,
        )


def mails(renderer: Renderer, answer: Answer) -> Iterator[Row]:
    for sender in SENDERS:
        for ask in ASKS:
            question = f"A mail from {sender} {ask}. What is it?"
            rendered = renderer.render(question, [], answer(sender, ask))
            assert rendered
            yield Row(question, question, question, rendered.prompt, rendered.completion)


def train(base: Path, directory: Path, answer: Answer, rate: float, steps: int) -> Trained:
    candidate = load_candidate(base, 8, 7, "cpu")
    renderer = Renderer(candidate.tokenizer, 128)
    rows = list(mails(renderer, answer))
    spec = JobSpec(learning_rate=rate, max_steps=steps, patience=99)
    tokens = tokenize(rows, candidate.tokenizer)
    TrainingRun(
        candidate,
        tokens[:22],
        tokens[22:26],
        spec,
        directory,
        "k",
        report=lambda point: None,
        check=lambda: None,
        clock=time.monotonic,
    ).run()
    return Trained(candidate, renderer, rows[:22], rows[22:])


@pytest.fixture(scope="module")
def collapsed(base_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Trained on one label, far too fast: it answers PHISH to everything."""
    return train(base_path, tmp_path_factory.mktemp("run"), lambda *_: "PHISH", 1e-3, 12)


def checks(report: GateReport) -> dict[str, GateCheck]:
    return {check.name: check for check in report.checks}


def test_a_collapsed_candidate_is_rejected_although_its_perplexity_is_far_better(
    collapsed: Trained,
) -> None:
    judged = collapsed.gate((1.0,)).judge()
    found = checks(judged.report)
    target = found["target_perplexity"]
    assert target.passed and target.value and target.baseline
    assert target.value < target.baseline / 100
    assert judged.report.verdict == "reject"
    assert not found["retention_length"].passed
    assert not found["retention_collapse"].passed
    assert not found["retention_leakage"].passed
    assert not found["retention_kl"].passed
    assert "Reject although it is better on 8 held-out rows" in judged.report.summary
    egg = next(e for e in judged.report.examples if e.prompt == "How do I boil an egg?")
    assert egg.after == "PHISH" and egg.before != "PHISH"
    json.dumps([check.words for check in judged.report.checks])


def test_the_same_adapter_turned_down_is_promoted_at_the_strength_that_keeps_the_model(
    collapsed: Trained,
) -> None:
    judged = collapsed.gate((1.0, 0.25)).judge()
    assert judged.report.verdict == "promote"
    assert judged.strength == 0.25
    assert checks(judged.report)["adapter_strength"].value == 0.25
    assert "at 0.25 it did not" in judged.report.summary


def test_a_candidate_that_learned_with_care_is_promoted_at_full_strength(
    base_path: Path, tmp_path: Path
) -> None:
    def answer(sender: str, ask: str) -> str:
        return f"It is a fraud: {sender} never writes like that, and whoever {ask} wants to steal."

    trained = train(base_path, tmp_path, answer, 3e-4, 8)
    judged = trained.gate((1.0, 0.55, 0.4)).judge()
    assert judged.report.verdict == "promote", judged.report.summary
    assert judged.strength == 1.0
