"""Whether the Python in a response parses. It is parsed only: never run, compiled or imported."""

from __future__ import annotations

import ast
import re
import textwrap
import threading
import warnings
from collections.abc import Iterator

from driftline.metrics.metric import Value
from driftline.sdk.records import TextSpan

from .sides import descriptor

FENCE = re.compile(r"^[ \t]*```[ \t]*([\w+-]*)[^\n`]*\n", re.MULTILINE)
END = re.compile(r"^[ \t]*```[ \t]*$", re.MULTILINE)
PYTHON = frozenset({"python", "py", "python3"})
PROMPT = re.compile(r"^\s*(?:>>>|In \[\d+\]:)", re.MULTILINE)  # a session, not a program
MAX_BLOCKS = 50
MAX_CHARACTERS = 20_000  # of a block: its tree fits the stack of a thread
MAX_OPERATORS_IN_A_ROW = 100
DEEP = re.compile(
    rf"(?:[-+~(\[{{]\s*|\bnot\s+|\blambda\s*:\s*|\bawait\s+){{{MAX_OPERATORS_IN_A_ROW}}}"
)


_ONE_AT_A_TIME = threading.Lock()  # the filters of warnings are the process's


def blocks(text: str) -> Iterator[tuple[int, int, str]]:
    """Fenced blocks: characters [start, end) of the code, and the language of the fence.

    The last block may lack its end, as truncated responses do.
    """
    at = 0
    while found := FENCE.search(text, at):
        end = END.search(text, found.end())
        stop = end.start() if end else len(text)
        yield found.end(), stop, found[1].lower()
        at = end.end() if end else len(text)


def problem(code: str) -> str:
    """Why `code` does not parse as Python, "" when it does."""
    if DEEP.search(code):
        return "nested too deeply"
    try:
        with _ONE_AT_A_TIME, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape such as "\d" is a warning only
            ast.parse(textwrap.dedent(code))
    except SyntaxError as error:
        return f"line {error.lineno or 0}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def code_validity(text: str) -> Value | None:
    """Python blocks that parse / Python blocks; the spans are those that do not."""
    checked, wrong = 0, []
    for start, end, language in blocks(text):
        code = text[start:end]
        if language not in PYTHON or PROMPT.search(code) or end - start > MAX_CHARACTERS:
            continue
        checked += 1
        if reason := problem(code):
            wrong.append(TextSpan(start, end, 1.0, reason[:200]))
        if checked == MAX_BLOCKS:
            break
    if not checked:
        return None
    stats = {"blocks": float(checked), "invalid": float(len(wrong))}
    first = wrong[0].label if wrong else ""
    return Value(1.0 - len(wrong) / checked, first, spans=tuple(wrong), stats=stats)


CODE_VALIDITY = (
    descriptor(
        "code_validity", "Python that parses", code_validity, high=1.0, default=True,
        formula="fenced blocks marked python that the parser accepts / such blocks, of the first "
        f"{MAX_BLOCKS}; those over {MAX_CHARACTERS:,} characters and sessions (>>>) left out",
        source="grammar of the Python that the worker runs on",
        lies="what parses may still be wrong; excerpts with … do not parse and are fine; "
        "`await` at the top level and newer syntax than the worker's Python count as wrong",
        none="no Python block", cost="milliseconds",
    ),
)  # fmt: skip
