"""Forward passes: exact whatever rows are batched with and whatever they share.

The model here is a small Llama with random weights: its NLL is as sensitive as a trained one's.
"""

import copy
import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from driftline.metrics.passes import Passes, Row, token_nll
from driftline.metrics.perplexity import Nll

VOCABULARY = 97
SIZES = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
}  # fmt: skip


@pytest.fixture(scope="module")
def llama() -> LlamaForCausalLM:
    torch.manual_seed(5)
    model = LlamaForCausalLM(LlamaConfig(**SIZES, initializer_range=0.3))
    return model.eval()


def linear_head(width: int, vocabulary: int) -> Callable[[Tensor], Tensor]:
    weights = torch.randn(vocabulary, width, generator=torch.Generator().manual_seed(1))
    return lambda hidden: hidden @ weights.T


def rows(n: int, width: int, vocabulary: int) -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(2)
    hidden = torch.randn(n, width, generator=source)
    return hidden, torch.randint(vocabulary, (n,), generator=source)


def test_uniform_logits_have_the_perplexity_of_the_vocabulary() -> None:
    hidden, labels = rows(50, 8, 1000)
    nll = token_nll(hidden, lambda h: h.new_zeros(len(h), 1000), labels)
    assert Nll(float(nll.sum()), 50, 1).perplexity == pytest.approx(1000.0, rel=1e-5)


def test_token_nll_is_torchs_cross_entropy() -> None:
    hidden, labels = rows(300, 16, 500)
    head = linear_head(16, 500)
    expected = functional.cross_entropy(head(hidden), labels, reduction="none")
    assert torch.allclose(token_nll(hidden, head, labels), expected, atol=1e-5)


@pytest.mark.parametrize("chunk_rows", [1, 7, 299, 300, 10_000])
def test_the_size_of_a_chunk_changes_nothing(chunk_rows: int) -> None:
    hidden, labels = rows(300, 16, 500)
    head = linear_head(16, 500)
    whole = token_nll(hidden, head, labels, chunk_rows=300)
    assert torch.allclose(token_nll(hidden, head, labels, chunk_rows), whole, atol=1e-5)


def test_no_rows_have_no_nll() -> None:
    hidden, labels = rows(0, 16, 500)
    assert token_nll(hidden, linear_head(16, 500), labels).shape == (0,)


# ------------------------------------------------------------------ passes


def test_rows_score_as_plain_transformers_scores_each_alone(llama: LlamaForCausalLM) -> None:
    rows = strangers() + relatives()
    assert_plain(llama, rows, Passes(llama, least_shared=4).nll(rows))


@pytest.mark.parametrize("seed", range(8))
def test_the_order_and_the_company_of_rows_change_nothing(
    llama: LlamaForCausalLM, seed: int
) -> None:
    source = random.Random(seed)
    rows = source.sample(strangers() + relatives(), 12)
    passes = Passes(llama, budget_tokens=source.choice([1, 40, 5000]), least_shared=4)
    assert_plain(llama, rows, passes.nll(rows))


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_padded_batch_of_transformers_itself_agrees(llama: LlamaForCausalLM, side: str) -> None:
    rows = strangers()
    found = Passes(llama).nll(rows)
    for values, expected in zip(found, padded_nll(llama, rows, side), strict=True):
        assert values == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_a_common_beginning_is_computed_once(llama: LlamaForCausalLM) -> None:
    rows = relatives()
    assert tokens_fed(llama, rows, least_shared=4) < 0.6 * tokens_fed(llama, rows, least_shared=999)


def test_equal_rows_are_computed_once_and_score_the_same(llama: LlamaForCausalLM) -> None:
    row = strangers()[0]
    found = Passes(llama, least_shared=4).nll([row] * 5)
    assert all(values == pytest.approx(found[0], rel=1e-5) for values in found)
    assert tokens_fed(llama, [row] * 5, least_shared=4) < len(row.ids) + 5


def test_what_is_remembered_is_bounded(llama: LlamaForCausalLM) -> None:
    """Beginnings that do not fit together are run in portions, with the same result."""
    rows = relatives() + [Row([7, *row.ids[1:]], row.first) for row in relatives()]
    small = Passes(llama, least_shared=4)
    small._cached = 1
    assert_plain(llama, rows, small.nll(rows))


def test_only_the_scored_tokens_have_values(llama: LlamaForCausalLM) -> None:
    (row,) = strangers()[:1]
    whole = Passes(llama).nll([row])[0]
    assert Passes(llama).nll([Row(row.ids, 9)])[0] == pytest.approx(whole[8:], rel=1e-5)


def test_a_model_whose_layers_forget_shares_nothing() -> None:
    torch.manual_seed(6)
    model = MistralForCausalLM(MistralConfig(**SIZES, sliding_window=8, initializer_range=0.3))
    rows = relatives()
    assert_plain(model.eval(), rows, Passes(model, least_shared=4).nll(rows))


def test_two_threads_side_by_side_change_nothing(llama: LlamaForCausalLM) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        rows = strangers() + relatives()
        passes = Passes(llama, budget_tokens=60, least_shared=4)
        assert_plain(llama, rows, passes.nll(rows))
    finally:
        torch.set_num_threads(before)


def test_bfloat16_weights_give_float32_sums(llama: LlamaForCausalLM) -> None:
    rows = strangers()
    found = Passes(copy.deepcopy(llama).to(torch.bfloat16)).nll(rows)
    for values, expected in zip(found, Passes(llama).nll(rows), strict=True):
        assert sum(values) == pytest.approx(sum(expected), rel=0.05)


def test_no_rows_need_no_pass(llama: LlamaForCausalLM) -> None:
    assert Passes(llama).nll([]) == []


# ------------------------------------------------------------------ tools


def strangers() -> list[Row]:
    source = random.Random(1)
    return [Row(tokens(source, size), 1) for size in (40, 3, 17, 100, 2, 41, 8)]


def relatives() -> list[Row]:
    """Answers of several lengths to two prompts that begin alike; one prompt scored, one not."""
    source = random.Random(2)
    system = tokens(source, 20)
    prompts = [system + tokens(source, 30), system + tokens(source, 10)]
    return [
        Row(prompt + tokens(source, size), first)
        for prompt, first in zip(prompts, (1, 30), strict=True)
        for size in (9, 1, 30, 12)
    ]


def tokens(source: random.Random, count: int) -> list[int]:
    return [source.randrange(VOCABULARY) for _ in range(count)]


@torch.inference_mode()
def assert_plain(model: LlamaForCausalLM, rows: list[Row], found: list[list[float]]) -> None:
    for row, values in zip(rows, found, strict=True):
        ids = torch.tensor([list(row.ids)])
        logits = model(input_ids=ids, use_cache=False).logits[0, row.first - 1 : -1]
        expected = functional.cross_entropy(logits, ids[0, row.first :], reduction="none")
        assert values == pytest.approx(expected.tolist(), rel=1e-4, abs=1e-5)


@torch.inference_mode()
def padded_nll(model: LlamaForCausalLM, rows: list[Row], side: str) -> list[list[float]]:
    longest = max(len(row.ids) for row in rows)
    found = []
    for row in rows:
        gap = [0] * (longest - len(row.ids))
        marks = [1] * len(row.ids)
        ids, mask = (
            ([*gap, *row.ids], [*gap, *marks])
            if side == "left"
            else ([*row.ids, *gap], [*marks, *gap])
        )
        places = torch.tensor([mask]).cumsum(1).sub(1).clamp(min=0)
        logits = model(
            input_ids=torch.tensor([ids]), attention_mask=torch.tensor([mask]), position_ids=places
        ).logits[0]
        start = len(gap) if side == "left" else 0
        wanted = torch.tensor(row.ids[1:])
        scored = logits[start : start + len(row.ids) - 1]
        found.append(functional.cross_entropy(scored, wanted, reduction="none").tolist())
    return found


def tokens_fed(model: LlamaForCausalLM, rows: list[Row], least_shared: int) -> int:
    """How many tokens, padding included, go through the model's first layer."""
    seen: list[int] = []

    def count(_: object, __: object, states: Tensor) -> None:
        seen.append(states.shape[0] * states.shape[1])

    hook = model.model.embed_tokens.register_forward_hook(count)
    try:
        Passes(model, least_shared=least_shared).nll(rows)
    finally:
        hook.remove()
    return sum(seen)
