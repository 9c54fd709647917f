"""The candidate: base and tuned in one model."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from driftline.finetune.batches import tokenize
from driftline.finetune.candidate import Candidate
from driftline.finetune.errors import Cancelled
from driftline.finetune.rows import Row
from driftline.finetune.schedule import optimizer_for, take_step

MakeRow = Callable[[int], Row]


def go_on() -> None:
    """Nobody stops."""


@pytest.fixture
def trained(tiny: Candidate, make_row: MakeRow) -> Candidate:
    rows = tokenize([make_row(i) for i in range(4)], tiny.tokenizer)
    optimizer = optimizer_for(tiny)
    for _ in range(5):
        take_step(tiny, optimizer, rows, 1e-2)
    return tiny


def test_a_fresh_adapter_changes_nothing(tiny: Candidate, make_row: MakeRow) -> None:
    rows = tokenize([make_row(1)], tiny.tokenizer)
    tuned = tiny.nll(rows, 4, go_on)
    with tiny.base():
        assert tiny.nll(rows, 4, go_on) == tuned


def test_the_base_stays_what_it_was_while_the_adapter_learns(
    tiny: Candidate, make_row: MakeRow
) -> None:
    rows = tokenize([make_row(i) for i in range(4)], tiny.tokenizer)
    before = tiny.mean_nll(rows, 4, go_on)
    optimizer = optimizer_for(tiny)
    for _ in range(5):
        take_step(tiny, optimizer, rows, 1e-2)
    with tiny.base():
        assert tiny.mean_nll(rows, 4, go_on) == before
    assert tiny.mean_nll(rows, 4, go_on) < before - 0.05


def test_likelihood_does_not_depend_on_the_batch(trained: Candidate, make_row: MakeRow) -> None:
    rows = tokenize([make_row(i * 111) for i in range(7)], trained.tokenizer)
    one, four = trained.nll(rows, 1, go_on), trained.nll(rows, 4, go_on)
    for (alone, n), (together, m) in zip(one, four, strict=True):
        assert n == m and math.isclose(alone, together, rel_tol=1e-4)


def test_likelihood_is_that_of_the_completion_with_its_end(
    trained: Candidate, make_row: MakeRow
) -> None:
    row = tokenize([make_row(3)], trained.tokenizer)[0]
    ids = torch.tensor([row.prompt + row.completion])
    with torch.inference_mode():
        log = trained.model(input_ids=ids).logits.log_softmax(-1)[0]
    first = len(row.prompt)
    expected = -sum(float(log[first + i - 1, t]) for i, t in enumerate(row.completion))
    assert math.isclose(trained.nll([row], 4, go_on)[0][0], expected, rel_tol=1e-4)
    assert row.completion[-1] == trained.tokenizer.eos_token_id


def test_strength_zero_is_the_base_and_one_the_candidate(
    trained: Candidate, make_row: MakeRow
) -> None:
    rows = tokenize([make_row(5)], trained.tokenizer)
    full = trained.mean_nll(rows, 4, go_on)
    with trained.base():
        base = trained.mean_nll(rows, 4, go_on)
    trained.set_strength(0.0)
    assert math.isclose(trained.mean_nll(rows, 4, go_on), base, rel_tol=1e-6)
    trained.set_strength(1.0)
    assert trained.mean_nll(rows, 4, go_on) == full


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*")  # PEFT's own loader
@pytest.mark.parametrize("strength", [1.0, 0.55])
def test_a_saved_adapter_loads_with_peft_and_predicts_the_same(
    strength: float, trained: Candidate, tiny_path: Path, make_row: MakeRow, tmp_path: Path
) -> None:
    rows = tokenize([make_row(5)], trained.tokenizer)
    trained.set_strength(strength)
    expected = trained.mean_nll(rows, 4, go_on)
    trained.save_adapter(tmp_path, strength)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    base = AutoModelForCausalLM.from_pretrained(tiny_path)
    loaded = Candidate(PeftModel.from_pretrained(base, str(tmp_path)), trained.tokenizer)
    assert math.isclose(loaded.mean_nll(rows, 4, go_on), expected, rel_tol=1e-5)


def test_all_linear_layers_but_the_output_are_adapted(trained: Candidate, tmp_path: Path) -> None:
    trained.save_adapter(tmp_path, 1.0)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    adapted = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert {name.split(".")[-1] for name in config["target_modules"]} == adapted
    assert (config["r"], config["lora_alpha"], config["lora_dropout"]) == (4, 8, 0.0)
    assert len(load_file(tmp_path / "adapter_model.safetensors")) == 2 * 7 * 2


def test_answers_of_a_batch_are_those_of_each_prompt_alone(trained: Candidate) -> None:
    prompts = ["a", "something longer than that", "b?"]
    together = trained.answers(prompts, 8, go_on)
    assert together == [trained.answers([prompt], 8, go_on)[0] for prompt in prompts]


def test_a_cancelled_job_stops_in_the_middle_of_an_answer(tiny: Candidate) -> None:
    calls = iter(range(3))

    def check() -> None:
        if next(calls, None) is None:
            raise Cancelled("by a person")

    with pytest.raises(Cancelled):
        tiny.answers(["a"], 40, check)
