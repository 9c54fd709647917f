"""What a project's settings redact is replaced before it is stored, on every path."""

from __future__ import annotations

import time

import pytest

ASKED = {"redact": ["email", "card"], "redact_patterns": [r"EMP-\d{6}"]}


@pytest.fixture
def careful(front):
    """A project that redacts."""
    answer = front.client.put("/v1/settings", json=ASKED, headers=front.headers)
    assert answer.status_code == 200, answer.text
    return front


def test_nothing_of_it_reaches_the_store(careful, event):
    line = event(
        name="mail a@b.co",
        input=[
            {"role": "system", "content": "be kind to a@b.co"},
            {"role": "user", "content": [{"type": "text", "text": "I am a@b.co"}]},
            {"role": "assistant", "tool_calls": [{"arguments": {"card": "4111111111111111"}}]},
        ],
        output={"note": "EMP-123456"},
        context=[{"text": "a@b.co"}],
        metadata={"a@b.co": "a@b.co"},
        tags=["a@b.co"],
        error="unknown a@b.co",
        user_id="u-17",
    )
    careful.send(line)
    careful.send(
        {
            "type": "score",
            "event_id": line["id"],
            "name": "thumbs",
            "value": 0,
            "label": "a@b.co",
            "explanation": "wrote to a@b.co",
        }
    )
    stored = careful.get(f"/v1/events/{line['id']}")
    scores = careful.get(f"/v1/events/{line['id']}/scores")
    listed = careful.get("/v1/events")
    for found in (stored, scores, listed):
        assert not any(secret in str(found) for secret in ("a@b.co", "4111", "EMP-"))
    assert "[email]" in str(listed) and "[email]" in str(scores) and "[redacted]" in str(stored)
    assert stored["user_id"] == "u-17"


def test_a_number_at_the_cut_is_replaced_before_the_cut(careful, event):
    line = event(output="x " * (2**19 - 4) + "4111 1111 1111 1111")
    careful.send(line)
    assert "4111" not in careful.get(f"/v1/events/{line['id']}")["output"]


def test_without_the_setting_texts_stay(front, event):
    line = event(output="a@b.co")
    front.send(line)
    assert front.get(f"/v1/events/{line['id']}")["output"] == "a@b.co"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"redact": ["mail"]}, "mail"),
        ({"redact_patterns": ["("]}, "("),
        ({"redact_patterns": [r"\d{6}", "(a+)+b"]}, "(a+)+b"),
        ({"redact_patterns": ["a.*b"]}, "a.*b"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(front, wrong, named):
    answer = front.client.put("/v1/settings", json=wrong, headers=front.headers)
    assert answer.status_code == 422
    assert answer.json()["field"] == next(iter(wrong))
    assert named in answer.json()["message"]
    assert front.get("/v1/settings")["redact"] == []


def test_spans_of_other_clients_are_redacted_too(careful):
    now = time.time_ns()
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "input.value": "I am a@b.co",
        "output.value": "Hello a@b.co",
    }
    span = {
        "traceId": f"{now:032x}",
        "spanId": f"{now % 2**63:016x}",
        "name": "chat a@b.co",
        "startTimeUnixNano": str(now),
        "endTimeUnixNano": str(now + 1000),
        "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in attributes.items()],
    }
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    answer = careful.client.post("/v1/traces", json=body, headers=careful.headers)
    assert answer.status_code == 200, answer.text
    (listed,) = careful.get("/v1/events")["rows"]
    stored = careful.get(f"/v1/events/{listed['id']}")
    assert "a@b.co" not in str(stored)
    assert stored["output"] == "Hello [email]"
