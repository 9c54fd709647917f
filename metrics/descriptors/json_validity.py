"""Whether a response that is JSON, or was asked to be, can be parsed."""

from __future__ import annotations

import json
import re
from typing import NoReturn

from driftline.metrics.metric import Value, metric
from driftline.sdk.records import Event

from .sides import NO_RESPONSE, text_of

ASKED = frozenset({"json", "json_object", "json_schema"})
FENCE = re.compile(r"\s*```(?:json[c5]?)?[ \t]*\n(.*?)(?:\n[ \t]*```\s*)?\Z", re.DOTALL | re.I)
# What begins as an object or an array of JSON does, and no Markdown link or citation ([1] …).
BEGINS = re.compile(r"\s*(?:\{\s*(?:\"|\}|\Z)|\[\s*(?:[\[{\"]|\]\s*\Z))")
NUMBERS = re.compile(r"\s*\[[-+0-9eE.,\s]*\]\s*\Z")
LABELS = {"{": "object", "[": "array"}


def json_text(text: str, asked: bool) -> str | None:
    """The part of `text` that is to be JSON; None when nothing says that there is any."""
    fenced = FENCE.match(text)
    if fenced and (asked or text.lstrip()[3:7].lower() == "json" or BEGINS.match(fenced[1])):
        return fenced[1]
    return text if asked or BEGINS.match(text) or NUMBERS.match(text) else None


def problem(body: str) -> str:
    """What is wrong with JSON (RFC 8259, so no NaN, no trailing comma), "" when nothing is."""
    try:
        # Numbers stay text: int() refuses thousands of digits, and is slow before.
        json.loads(body, parse_int=str, parse_float=str, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return ""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


@metric(
    name="response_json_validity",
    title="Valid JSON",
    formula="1 if the response (or its one fenced block) parses as JSON, else 0",
    source="RFC 8259",
    needs="the whole event",
    low=0.0,
    high=1.0,
    lies="null unless the response begins like JSON or the metadata's `response_format` asks for "
    "it: JSON after a sentence of talk is not looked for; no schema is checked",
)
def valid_json(event: Event) -> Value:
    text = text_of(event, "response")
    if text is None:
        return NO_RESPONSE
    asked = event.metadata.get("response_format", "").lower() in ASKED
    body = json_text(text, asked)
    if body is None:
        return Value(None, "not JSON, and none was asked for")
    wrong = problem(body)
    label = LABELS.get(body.lstrip()[:1], "value")
    return Value(0.0 if wrong else 1.0, wrong, label="invalid" if wrong else label)
