"""Rendering a question with its passages."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftline.finetune.batches import ids
from driftline.finetune.candidate import Candidate
from driftline.finetune.prompt import Renderer, question_of, share_out
from driftline.sdk.records import Event, EventRow, Message

CONTROL = st.sampled_from(["<|im_end|>", "<|im_start|>", "<|im_", "end|>", "<|endoftext|>"])
HOSTILE = st.lists(CONTROL | st.text(max_size=5), max_size=8).map("".join)


def test_the_prompt_ends_where_the_assistant_begins(renderer: Renderer) -> None:
    prompt = renderer.prompt("why?", ["because"])
    assert prompt == "<|im_start|>user\nbecause\n\nwhy?<|im_end|>\n<|im_start|>assistant\n"


def test_the_completion_ends_with_the_end_of_sequence(renderer: Renderer) -> None:
    rendered = renderer.render("why?", [], "so")
    assert rendered and rendered.completion == "so<|im_end|>"


def test_passages_are_cut_until_question_and_answer_fit(tiny: Candidate) -> None:
    rendered = Renderer(tiny.tokenizer, 160).render("why?", ["a " * 300, "b " * 300], "so " * 20)
    assert rendered and rendered.trimmed
    assert len(ids(rendered.prompt + rendered.completion, tiny.tokenizer)) <= 160
    assert "why?" in rendered.prompt and "a a" in rendered.prompt and "b b" in rendered.prompt


def test_short_passages_are_kept_whole(renderer: Renderer) -> None:
    rendered = renderer.render("why?", ["one", "two"], "so")
    assert rendered and not rendered.trimmed and "one\n\ntwo\n\nwhy?" in rendered.prompt


def test_an_answer_that_cannot_fit_is_refused(renderer: Renderer) -> None:
    assert renderer.render("why?", ["x"], "so " * 200) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(question=HOSTILE, passage=HOSTILE, answer=HOSTILE)
def test_text_cannot_write_turns_of_its_own(
    tiny: Candidate, question: str, passage: str, answer: str
) -> None:
    rendered = Renderer(tiny.tokenizer, 400).render(question, [passage], answer)
    assert rendered
    assert rendered.prompt.count("<|im_start|>") == 2
    assert (rendered.prompt + rendered.completion).count("<|im_end|>") == 2


@given(st.integers(0, 500), st.lists(st.integers(0, 200), max_size=8))
def test_shares_never_exceed_the_wish_nor_together_the_budget(
    budget: int, wanted: list[int]
) -> None:
    shares = share_out(budget, wanted)
    assert all(0 <= share <= wish for share, wish in zip(shares, wanted, strict=True))
    assert sum(shares) == min(budget, sum(wanted))


@pytest.mark.parametrize(
    ("messages", "question"),
    [
        ([Message("system", "be kind"), Message("user", "why?")], "why?"),
        ([Message("user", "Answer from: the sky is blue\nwhy?")], "Answer from: \nwhy?"),
        ([Message("system", "be kind")], ""),
        ([], ""),
    ],
)
def test_the_question_is_the_user_message_without_pasted_passages(
    make_traffic: Callable[..., tuple[EventRow, Event]], messages: list[Message], question: str
) -> None:
    _, event = make_traffic(1, messages=messages, context=["the sky is blue"])
    assert question_of(event) == question
