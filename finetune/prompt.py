"""One question with its passages, as the text the model is trained on and served with.

The base model's chat template with a single user message: the passages, a blank line, the question.
Passages are trimmed, evenly, until prompt and answer fit `max_length` tokens; question and answer
are never cut. Traffic is hostile text: the template's control tokens are removed from it, so that
nobody can write a turn of the assistant into a question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from driftline.sdk.records import Event

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

USER_MESSAGE = "passages joined by blank lines, a blank line, the question"
GAP = "\n\n"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt, a completion with its EOS, and whether passages had to be shortened."""

    prompt: str
    completion: str
    trimmed: bool


def question_of(event: Event) -> str:
    """The last user message without passages that the app pasted into it; "" if there is none."""
    asked = [message.content for message in event.input if message.role == "user"]
    question = asked[-1] if asked else ""
    for passage in event.context:
        if passage.strip():
            question = question.replace(passage.strip(), "")
    return question.strip()


def is_multi_turn(event: Event) -> bool:
    """Whether the answer depends on earlier turns, which a single user message cannot hold."""
    roles = [message.role for message in event.input]
    return "assistant" in roles or roles.count("user") > 1


class Renderer:
    """Renders with one tokenizer for one sequence length (in tokens)."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
        self._tokenizer = tokenizer
        self._max_length = max_length
        control = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}
        self._control = sorted(filter(None, control), key=len, reverse=True)

    def render(self, question: str, passages: Sequence[str], answer: str) -> Rendered | None:
        """The example, or None when question and answer alone are over `max_length`."""
        asked, given = self.clean(question), [self.clean(text) for text in passages]
        completion = self.clean(answer) + str(self._tokenizer.eos_token)
        room = self._max_length - self._count(completion)
        shares = [self._count(text) for text in given]
        budget = sum(shares)
        while True:
            kept = [
                self._cut(text, n) for text, n in zip(given, share_out(budget, shares), strict=True)
            ]
            prompt = self.prompt(asked, kept)
            over = self._count(prompt) - room
            if over <= 0:
                return Rendered(prompt, completion, kept != given)
            if budget == 0:
                return None
            budget = max(0, budget - over)

    def prompt(self, question: str, passages: Sequence[str] = ()) -> str:
        """The text up to where the assistant begins to speak."""
        content = GAP.join([*(text for text in passages if text), question])
        message = {"role": "user", "content": content}
        return str(
            self._tokenizer.apply_chat_template(
                [message], tokenize=False, add_generation_prompt=True
            )
        )

    def clean(self, text: str) -> str:
        """`text` without control tokens, also without those that removing one would leave."""
        before = ""
        while before != text:
            before = text
            for token in self._control:
                text = text.replace(token, "")
        return text.strip()

    def _count(self, text: str) -> int:
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _cut(self, text: str, tokens: int) -> str:
        if tokens == 0:
            return ""
        encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        offsets = encoded["offset_mapping"]
        return text if len(offsets) <= tokens else text[: offsets[tokens - 1][1]].rstrip()


def share_out(budget: int, wanted: Sequence[int]) -> list[int]:
    """`budget` tokens among passages that want `wanted`: equal parts, the rest to the longer."""
    shares = [0] * len(wanted)
    left, order = budget, sorted(range(len(wanted)), key=lambda i: wanted[i])
    for position, i in enumerate(order):
        shares[i] = min(wanted[i], left // (len(order) - position))
        left -= shares[i]
    return shares
