"""What is replaced, what is left alone, and that no text makes it slow."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import driftline
from driftline.sdk import redact_kinds
from driftline.sdk.errors import ConfigError
from driftline.sdk.redact import FAILED, Redactor
from driftline.sdk.redact_patterns import check_pattern
from driftline.sdk.settings import Durability
from driftline.sdk.testing import MemoryTransport

ALL = Redactor(["all"])
GITHUB = "ghp_" + "a1B2" * 9
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("write to jo.x+news@mail.example.org.", "write to [email]."),
        ("<jürgen@müller.de>", "<[email]>"),
        ("pay with 4111 1111 1111 1111 today", "pay with [card] today"),
        ("378282246310005, 3782-822463-10005", "[card], [card]"),
        ("1234 5678 4111 1111 1111 1111", "1234 5678 [card]"),
        ("to GB82 WEST 1234 5698 7654 32 IS fine", "to [iban] IS fine"),
        ("DE89370400440532013000", "[iban]"),
        ("from 192.168.1.10.", "from [ip]."),
        ("at fe80::1 and 2001:db8::8a2e:370:7334.", "at [ip] and [ip]."),
        ("call +49 30 901820 or (555) 234-5678 x12", "call [phone] or [phone]"),
        ("020 7946 0018, +14155552671", "[phone], [phone]"),
        ("sk-proj-abcdefghijklmnop1234", "[key]"),
        (f"token {GITHUB}", "token [key]"),
        ("AKIAIOSFODNN7EXAMPLE", "[key]"),
        ("xoxb-123456789012-abcdef", "[key]"),
        (f"jwt {JWT} end", "jwt [key] end"),
        (f"a {PEM} b", "a [key] b"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE cut off", "[key]"),
        ("OPENAI_API_KEY=abcd1234efgh5678ZZ", "OPENAI_API_KEY=[key]"),
        ('{"api_key": "abcd1234efgh5678ZZ"}', '{"api_key": "[key]"}'),
        ("postgres://app:hunter2@db/x", "postgres://app:[key]@db/x"),
    ],
)
def test_personal_data_and_secrets_are_replaced(text: str, after: str) -> None:
    assert ALL.text(text) == after


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",  # a wrong digit sum
        "GB82 WEST 1234 5698 7654 33",  # a wrong remainder
        "XX82 WEST 1234 5698 7654 32",  # no country
        "999.1.1.1 and 1.2.3 and 1.2.3.4.5",
        "at 12:30:45 on 2023-01-02 12:33, std::vector",
        "order 1234-5678, 10 000 000 users, 3.141592653589793, room 0123",
        "api_key=YOUR_API_KEY_GOES_HERE password: correcthorsebatterystaple",
        "user@host, @handle, a @ b",
        "sk-learn, task-force-one",
        "1750000000000000",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert ALL.text(text) == text


def test_only_the_kinds_that_were_asked_for_are_replaced() -> None:
    assert Redactor(["email"]).text("a@b.co 192.168.1.1") == "[email] 192.168.1.1"


def test_twice_is_once() -> None:
    once = ALL.text(f"a@b.co {JWT} +49 30 901820 4111111111111111")
    assert ALL.text(once) == once


def test_places_that_overlap_become_one() -> None:
    assert Redactor(["email"], [r"jo\.\w{1,9}"]).text("jo.x@example.org") == "[redacted]"


def test_an_event_is_redacted_everywhere(memory: MemoryTransport) -> None:
    driftline.init(transport=memory, redact=["email", "card"], redact_patterns=[r"EMP-\d{6}"])
    call = {"name": "pay", "arguments": {"card": 4111111111111111, "to": ["a@b.co"]}}
    event_id = driftline.log(
        name="mail a@b.co",
        input=[{"role": "user", "content": "a@b.co", "tool_calls": [call]}],
        output={"a@b.co": "EMP-123456"},
        context=["a@b.co", {"text": "a@b.co"}],
        metadata={"from": {"mail": "a@b.co"}},
        tags=["a@b.co"],
        error="no such user: a@b.co",
        user_id="u-17",
    )
    driftline.score("thumbs", 0.0, event_id, label="a@b.co", explanation="wrote to a@b.co")
    assert driftline.flush()
    sent = str(memory.lines)
    assert "a@b.co" not in sent and "4111" not in sent and "EMP-" not in sent
    (event,) = memory.events
    assert event["input"][0]["tool_calls"] == [
        {"name": "pay", "arguments": {"card": "[card]", "to": ["[email]"]}}
    ]
    assert (event["output"], event["user_id"]) == ({"[email]": "[redacted]"}, "u-17")
    assert memory.scores[0]["explanation"] == "wrote to [email]"


def test_objects_are_looked_into(memory: MemoryTransport) -> None:
    import dataclasses

    @dataclasses.dataclass
    class Letter:
        to: str
        page: int

    driftline.init(transport=memory, redact=["email"])
    driftline.log(input=[Letter("a@b.co", 3)])
    assert driftline.flush()
    assert memory.events[0]["input"] == [{"to": "[email]", "page": 3}]


def test_the_environment_names_the_kinds(
    memory: MemoryTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_REDACT", "email, ip")
    driftline.init(transport=memory)
    driftline.log(input="a@b.co 10.0.0.1")
    assert driftline.flush()
    assert memory.events[0]["input"] == "[email] [ip]"


def test_a_mask_of_the_app_sees_every_text(memory: MemoryTransport) -> None:
    driftline.init(transport=memory, mask=lambda text: text.replace("Alice", "[name]"))
    driftline.log(input=[{"role": "user", "content": "I am Alice"}], output="Hello Alice")
    assert driftline.flush()
    assert "Alice" not in str(memory.events)


@pytest.mark.parametrize("mask", [lambda text: 1 / 0, lambda text: None])
def test_a_mask_that_fails_hides_the_field_and_is_counted(
    memory: MemoryTransport, mask: Callable[[str], str]
) -> None:
    driftline.init(transport=memory, mask=mask)
    driftline.log(input="secret", context=["secret"], tags=["secret"], metadata={"a": "secret"})
    assert driftline.flush()
    (event,) = memory.events
    assert "secret" not in str(event)
    assert (event["input"], event["context"]) == (FAILED, [FAILED])
    assert driftline.stats().redaction_failed == 4


@pytest.mark.parametrize(
    "wrong", [{"redact": ["mail"]}, {"redact_patterns": ["(a+)+b"]}, {"redact_patterns": ["("]}]
)
def test_a_wrong_setting_switches_the_sdk_off_not_the_redaction(
    wrong: dict[str, list[str]], leave_pytest: Callable[[], None]
) -> None:
    with pytest.raises(ConfigError):
        driftline.init(**wrong)  # type: ignore[arg-type]
    leave_pytest()
    assert not driftline.init(transport=MemoryTransport(), **wrong).on  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "pattern", [r"\d{3}-\d{2}-\d{4}", r"EMP-\w+", r"(?i)case[ -]?\d{1,9}", r"\bID[A-Z]{2,8}\b"]
)
def test_ordinary_patterns_are_taken(pattern: str) -> None:
    assert check_pattern(pattern).pattern == pattern


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "(a+)+b",
            "(a|a)*b",
            "a.*b",
            ".*",
            "x*",
            r"(a)\1",
            r"\b",
            "(?:a{1,10}){1,10}b",
            "a{5000}",
        ),
        *("(?:a|a){20}b", "(?=a+)b", "[", "a" * 501, ""),
    ],
)
def test_patterns_that_could_be_slow_or_are_wrong_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        check_pattern(pattern)


HOSTILE = [
    *("a", "1", "1 ", "1-", "0 ", "+1", "a@", "@a.", "a.", ":", "1:", "1.", "f:", "eyJ", "eyJa."),
    *("sk-", "GB82", "A1", "A1 ", "4111 ", "(0", "://", "://a:", "api_key=", "token ", "%", "00"),
    *("-----BEGIN PRIVATE KEY-----", "eyJaaaaaaaaa.", "+1(", "1234567890123", "-", "_", "a1"),
    "@aa.aa.",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_the_work_grows_as_the_text(piece: str) -> None:
    """Counted, not timed: the lines of Python that run."""
    small, large = _steps(piece, 4_000), _steps(piece, 16_000)
    assert large <= 4.5 * small + 2_000


def _steps(piece: str, length: int) -> int:
    """Lines of ours that run over a text of that length."""
    text = (piece * (length // len(piece) + 1))[:length]
    steps = 0

    def count(frame: object, event: str, argument: object) -> object:
        nonlocal steps
        steps += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)  # type: ignore[arg-type]
    try:
        ALL.text(text)
    finally:
        sys.settrace(before)
    return steps


def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    found = vars(redact_kinds).items()
    return [(name, value) for name, value in found if isinstance(value, re.Pattern)]


@pytest.mark.parametrize(("name", "pattern"), _patterns())
def test_our_patterns_nest_no_endless_repeats(name: str, pattern: re.Pattern[str]) -> None:
    assert not re.search(r"[+*]\)[+*{]", pattern.pattern), name


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_megabyte_of_anything_is_finished(piece: str) -> None:
    assert isinstance(ALL.text(piece * ((1 << 20) // len(piece))), str)


@pytest.mark.parametrize("durability", ["process", "call"])
def test_the_spool_never_holds_it(
    tmp_path: Path, durability: Durability, wait_for: Callable[[Callable[[], bool], str], None]
) -> None:
    driftline.init(
        url="http://127.0.0.1:9",  # nobody listens there
        api_key="sk-dl-0-secret",
        spool_dir=str(tmp_path),
        durability=durability,
        redact=["email"],
    )
    driftline.log(input="write to a@b.co", output="done")

    def written() -> bytes:
        return b"".join(file.read_bytes() for file in tmp_path.rglob("*.seg"))

    wait_for(lambda: b"done" in written(), "written to the spool")
    assert b"write to [email]" in written() and b"a@b.co" not in written()
