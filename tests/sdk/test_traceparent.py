"""W3C Trace Context, level 2 (https://www.w3.org/TR/trace-context-2/), and baggage."""

import pytest

import driftline
from driftline.sdk.testing import MemoryTransport

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADER = f"00-{TRACE}-{PARENT}-01"


def test_a_span_names_itself(memory: MemoryTransport) -> None:
    assert driftline.traceparent() == "" and driftline.trace_headers() == {}
    with driftline.span("root") as span:
        assert driftline.traceparent() == f"00-{span.trace_id}-{span.span_id}-03"


def test_a_request_continues_the_callers_trace(memory: MemoryTransport) -> None:
    with driftline.continue_trace({"Traceparent": HEADER}), driftline.span("server"):
        driftline.log(name="inner")
    assert driftline.flush()
    inner, server = memory.events
    assert (server["trace_id"], server["parent_id"]) == (TRACE, PARENT)
    assert (inner["trace_id"], inner["parent_id"]) == (TRACE, server["id"].replace("-", "")[16:])
    assert driftline.traceparent() == ""


def test_a_span_takes_the_header_itself(memory: MemoryTransport) -> None:
    with driftline.span("server", traceparent=HEADER):
        assert driftline.traceparent().startswith(f"00-{TRACE}-")
        assert driftline.traceparent().endswith("-01")  # the caller's trace id may not be random
    assert driftline.flush()
    assert memory.events[0]["parent_id"] == PARENT


@pytest.mark.parametrize(
    "header",
    [
        "",
        "junk",
        HEADER[:-1],
        HEADER + "-more",  # version 00 has four parts
        HEADER.upper(),
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{PARENT}-0g",
        f"00-{TRACE}-{PARENT}-01more",
        f"00-{TRACE}-{PARENT}-01\n",
    ],
)
def test_a_malformed_header_is_ignored(memory: MemoryTransport, header: str) -> None:
    with driftline.continue_trace({"traceparent": header}), driftline.span("a") as a:
        assert a.trace_id != TRACE and len(a.trace_id) == 32
    with driftline.span("b", traceparent=header) as b:
        assert b.trace_id not in (TRACE, a.trace_id)
    assert driftline.flush()
    assert [event.get("parent_id") for event in memory.events] == [None, None]


@pytest.mark.parametrize("tail", ["", "-what-comes"])
def test_a_later_version_is_read_as_far_as_we_know_it(memory: MemoryTransport, tail: str) -> None:
    with driftline.continue_trace({"traceparent": f"cc-{TRACE}-{PARENT}-01{tail}"}):
        assert driftline.span("a").trace_id == TRACE


def test_a_trace_that_is_not_sampled_is_not_recorded(memory: MemoryTransport) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
    with driftline.continue_trace(headers), driftline.span("server") as span:
        assert not span.sampled and driftline.traceparent().endswith("-00")
    assert driftline.flush() and memory.events == []
    assert driftline.stats().sampled_out == 1


def test_a_weight_travels_with_the_trace() -> None:
    memory = MemoryTransport()
    driftline.init(transport=memory, sample_rate=1.0)
    state = {"tracestate": "congo=t61rcWkgMzE, dl=w:4,rojo=00f067aa0ba902b7"}
    with driftline.continue_trace({"traceparent": HEADER, **state}), driftline.span("server"):
        sent = driftline.trace_headers()["tracestate"]
    assert driftline.flush()
    assert memory.events[0]["sample_weight"] == 4.0
    assert sent == "dl=w:4,congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"


def test_of_a_strangers_traces_we_keep_our_share() -> None:
    memory = MemoryTransport()
    driftline.init(transport=memory, sample_rate=0.25)
    for i in range(1, 4001):
        header = f"00-{i * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}-{PARENT}-01"
        driftline.span("server", traceparent=header).end()
    assert driftline.flush()
    assert 850 < len(memory.events) < 1150
    assert {event["sample_weight"] for event in memory.events} == {4.0}


@pytest.mark.parametrize("state", ["dl=w:0", "dl=w:nan", "dl=w:inf", "dl=w:x", "dl", ",,=,"])
def test_a_wrong_tracestate_is_ignored(memory: MemoryTransport, state: str) -> None:
    headers = {"traceparent": HEADER, "tracestate": state}
    with driftline.continue_trace(headers), driftline.span("server"):
        pass
    assert driftline.flush()
    assert "sample_weight" not in memory.events[0]


def test_session_and_user_travel_as_baggage(memory: MemoryTransport) -> None:
    with driftline.span("client", session_id="s 1", user_id="jürgen,2"):
        headers = driftline.trace_headers()
    assert headers["baggage"] == "session.id=s%201,user.id=j%C3%BCrgen%2C2"
    headers["baggage"] += ";meta=1,other=x"
    with driftline.continue_trace(headers), driftline.span("server"):
        driftline.log(name="inner")
    assert driftline.flush()
    found = {(event["session_id"], event["user_id"]) for event in memory.events}
    assert found == {("s 1", "jürgen,2")}


def test_a_trace_id_of_the_apps_own_kind_has_no_header(memory: MemoryTransport) -> None:
    with driftline.span("root", trace_id="order-17"):
        assert driftline.traceparent() == ""
