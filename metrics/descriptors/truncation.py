"""Whether a response was cut off: what the provider said, else how its last line ends."""

from __future__ import annotations

import re
import unicodedata

from driftline.metrics.metric import Value, metric
from driftline.metrics.text import words
from driftline.sdk.records import Event

from .sides import NO_RESPONSE, text_of

FINISH_KEYS = (
    "finish_reason", "finish_reasons", "gen_ai.response.finish_reasons", "stop_reason",
)  # fmt: skip
CUT = frozenset({"length", "max_tokens", "max_output_tokens", "incomplete"})
REASON = re.compile(r"[a-z_]+")
CLOSING = re.compile(r"[\s\"'”’»)\]*_~`>|}\ufe0f]+$")
ENDINGS = ".!?…。！？؟।።։។။"
OPEN_ENDS = ",;:-–—([{“‘«"
LISTED = re.compile(r"\s*(?:[-*•+–]|\d{1,3}[.)]|#{1,6}|\|)\s?")
LINK_AT_END = re.compile(r"(?:https?://|www\.)\S+$")
ASIDE = re.compile(r"\s*[(\[][^()\[\]\n]{1,60}[)\]]\s*$")  # … in the urine. (Passage 2)
NO_MARKS = re.compile(r"[\u0e00-\u0eff]$")  # Thai and Lao end sentences with a space, or nothing
SHORT_WORDS = 12
LAST_CHARACTERS = 2_000
FENCE = re.compile(r"^[ \t]*```", re.MULTILINE)


def finish_reason(event: Event) -> str:
    """What the provider said of the end: `length`, `stop`, …; "" when nobody said."""
    said = (event.metadata.get(key, "") for key in FINISH_KEYS)
    return ",".join(REASON.findall(next(filter(None, said), "").lower()))


def ends_mid_sentence(text: str) -> bool | None:
    """Whether the text stops where nobody stops; None for no words and scripts without marks."""
    body = text.rstrip()
    if not words(body[-LAST_CHARACTERS:]):
        return None
    if len(FENCE.findall(text)) % 2:
        return True
    if body[-1] in OPEN_ENDS:
        return True
    line = body[body.rfind("\n") + 1 :][-LAST_CHARACTERS:]
    bare = CLOSING.sub("", ASIDE.sub("", line))
    if not bare or bare[-1] in ENDINGS or LINK_AT_END.search(bare):
        return False
    if LISTED.match(line):
        return _items_end(body[-LAST_CHARACTERS : len(body) - len(line)])
    if NO_MARKS.search(bare):
        return None
    if unicodedata.category(bare[-1])[0] in "SC":  # an emoji, ©: meant to be there
        return False
    return not (_is_short_answer(body) or _is_code(body))


def _items_end(before: str) -> bool:
    """Whether most items of the list before the last one end with a mark, as it does not."""
    items = [CLOSING.sub("", line) for line in before.split("\n")[1:] if LISTED.match(line)]
    ended = sum(1 for item in items if item and item[-1] in ENDINGS)
    return 2 * ended > len(items)


def _is_short_answer(body: str) -> bool:
    """A few words without any end mark: Paris; 42; a title."""
    if len(body) > LAST_CHARACTERS or any(mark in body[:-1] for mark in ".!?。！？"):
        return False
    return len(words(body)) <= SHORT_WORDS


def _is_code(body: str) -> bool:
    return body.rstrip().endswith("```") or body.lstrip()[:1] in ("{", "[", "<")


@metric(
    name="response_truncation",
    title="Cut off",
    formula="1 if the finish reason is length (max_tokens, incomplete), 0 if it is another; "
    "without one, 1 if the text ends mid-sentence",
    needs="the whole event",
    low=0.0,
    high=1.0,
    lies="the label says which of the two it is; by the text alone, answers that end without a "
    "full stop look cut off, and those cut after one do not; measured in docs/descriptors.md",
)
def cut_off(event: Event) -> Value:
    text, reason = text_of(event, "response"), finish_reason(event)
    if reason:
        cut = not CUT.isdisjoint(reason.split(","))
        return Value(float(cut), label=f"finish reason {reason}"[:100])
    if text is None:
        return NO_RESPONSE
    open_end = ends_mid_sentence(text)
    if open_end is None:
        return Value(None, "too little text, or a script that marks no sentence ends")
    return Value(float(open_end), label="ends mid-sentence" if open_end else "complete")
