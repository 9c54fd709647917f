"""JSON, Python, cut-off ends, context windows: known cases, and laws against naive parsers."""

import ast
import json
import sys
import threading
import warnings
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.metrics.descriptors import code_validity, json_validity
from driftline.metrics.descriptors.truncation import ends_mid_sentence
from driftline.metrics.metric import Value

Measure = Callable[..., Value]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@given(JSON)
def test_what_json_writes_is_valid_and_its_beginnings_are_not(value: object) -> None:
    body = json.dumps(value)
    assert json_validity.problem(body) == ""
    if isinstance(value, list | dict):
        assert json_validity.problem(body[:-1])


@pytest.mark.parametrize(
    ("response", "value"),
    [
        ('{"a": 1}', 1.0),
        ('  [{"a": [1, 2]}]\n', 1.0),
        ("[1, 2, 3]", 1.0),
        ('```json\n{"a": 1}\n```', 1.0),
        ('```json\n{"a": 1', 0.0),
        ('{"a": 1,}', 0.0),
        ('{"a": NaN}', 0.0),
        ("{'a': 1}", None),
        ('{"a": 1} and some talk', 0.0),
        ('{"a": ' + "9" * 50_000 + "}", 1.0),
        ("[" * 100_000, 0.0),
        ("[1] Smith 2020 says so.", None),
        ("[a link](https://a.b)", None),
        ("Here you are: {}", None),
        ("", None),
    ],
)
def test_json_is_judged_where_it_begins_like_json(
    measure: Measure, response: str, value: float | None
) -> None:
    assert measure("response_json_validity", response).value == value


def test_json_that_was_asked_for_is_judged_whatever_it_looks_like(measure: Measure) -> None:
    asked = {"response_format": "json_object"}
    found = measure("response_json_validity", "Sure! Here it is", metadata=asked)
    assert (found.value, found.label) == (0.0, "invalid")
    assert measure("response_json_validity", "true", metadata=asked).value == 1.0
    assert measure("response_json_validity", '{"a"}', metadata=asked).explanation.startswith("Exp")


def test_python_blocks_are_parsed_and_the_broken_ones_shown(measure: Measure) -> None:
    good, bad = "def f(x):\n    return x\n", "def f(x)\n    return x\n"
    text = f"First\n```python\n{good}```\nthen\n```py\n{bad}```\n```json\n{{,}}\n```\n"
    found = measure("response_code_validity", text)
    assert found.value == 0.5
    assert [text[span.start : span.end] for span in found.spans] == [bad]
    assert found.explanation == "line 1: expected ':'"


@pytest.mark.parametrize(
    "text", ["no code", "```\nx = \n```", "```python\n>>> 1 +\n2\n```", "```bash\nls ]\n```"]
)
def test_without_a_python_program_there_is_no_number(measure: Measure, text: str) -> None:
    assert measure("response_code_validity", text).value is None


def test_an_indented_block_and_one_without_its_end_are_read(measure: Measure) -> None:
    indented = "1. Do:\n   ```python\n   if x:\n       y()\n   ```\n"
    assert measure("response_code_validity", indented).value == 1.0
    assert measure("response_code_validity", "```python\nx = (1,").value == 0.0


@given(st.text(alphabet="ab01 =+()[]:\n\"'\\d#,.", max_size=60))
def test_a_program_is_valid_when_the_parser_says_so(code: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(code)
        except (SyntaxError, ValueError):
            return
    assert code_validity.problem(code) == ""


DEEP = [
    "-" * 19_000 + "1", "not " * 4_900 + "x", "(" * 19_000, "[" * 150 + "]" * 150, "{1:" * 6_000,
    "lambda:" * 2_800, "a" + ".b" * 9_900, "1" + "+1" * 9_900, "x" + "[0]" * 6_600,
    "f" + "()" * 9_900, "a if b else " * 1_600 + "c", "x=" * 9_900 + "1", "- ~ + " * 3_000 + "1",
    "if 1:\n" + "".join(" " * i + "if 1:\n" for i in range(1, 110)), "await " * 3_000, "\x00",
]  # fmt: skip


def test_deeply_nested_programs_end_no_thread() -> None:
    """In a thread with a small stack, as a worker's may be: a crash would end the test run."""
    answers: list[str] = []
    before = threading.stack_size(512 * 1024)
    try:
        thread = threading.Thread(
            target=lambda: answers.extend(code_validity.problem(code) for code in DEEP)
        )
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert len(answers) == len(DEEP)
    assert sys.getrecursionlimit() >= 1000


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("It was a long story that began when the old man left the house and never", True),
        ("The answer follows. First, we take the", True),
        ("The steps are:", True),
        ("Use this:\n```python\nx = 1", True),
        ("A whole sentence, and a second one that is whole.", False),
        ('He said "it is all that I know."', False),
        ("Paris", False),
        ("42", False),
        ("- apples\n- pears\n- plums and some more of the other kinds of fruit that we had", False),
        ("Thank you so much for all of this and have a very nice day, my friend 👩🏽‍🚀", False),
        ("See this for all of the details that I left out: https://example.com/a/b", False),
        ("今天天气很好。", False),
        ("今天天气很好。我们去", True),
        ("สวัสดีครับ วันนี้อากาศดี", None),
        ("", None),
        ("...", None),
        ("Is it?**", False),
    ],
)
def test_an_end_in_mid_sentence_is_seen(text: str, cut: bool | None) -> None:
    assert ends_mid_sentence(text) is cut


@pytest.mark.parametrize(
    ("metadata", "value"),
    [
        ({"finish_reason": "length"}, 1.0),
        ({"finish_reason": "stop,length"}, 1.0),
        ({"finish_reason": "MAX_TOKENS"}, 1.0),
        ({"gen_ai.response.finish_reasons": '["max_tokens"]'}, 1.0),
        ({"finish_reason": "incomplete"}, 1.0),
        ({"finish_reason": "stop"}, 0.0),
        ({"finish_reason": "end_turn"}, 0.0),
    ],
)
def test_what_the_provider_says_goes_before_the_text(
    measure: Measure, metadata: dict[str, str], value: float
) -> None:
    whole, cut = "A whole sentence.", "The answer is. And it begins with the"
    for text in (whole, cut):
        found = measure("response_truncation", text, metadata=metadata)
        assert found.value == value
        assert found.label.startswith("finish reason ")
    assert measure("response_truncation", cut).label == "ends mid-sentence"


def test_the_context_window_needs_usage_and_size(measure: Measure) -> None:
    name, usage = "response_context_window_use", {"input": 3000, "output": 96, "input_cached": 10}
    found = measure(name, "x", usage=usage, metadata={"context_window": "4_096"})
    assert found.value == 3096 / 4096
    assert measure(name, "x", metadata={"context_window": "4096"}).value is None
    for wrong in ("", "many", "-1", "0", "9" * 30, "²"):
        assert measure(name, "x", usage=usage, metadata={"context_window": wrong}).value is None
