"""Tail rules: which traces are kept, with what weight, within which bounds."""

import math
import random
from collections.abc import Callable

import pytest

import driftline
from driftline.sdk import tail
from driftline.sdk.errors import ConfigError
from driftline.sdk.tail import Tail
from driftline.sdk.testing import FixedClock, MemoryTransport

NOTHING = Tail(rate=0.0, slow_ms=5000, scores={"thumbs": 0.5})


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def keep(memory: MemoryTransport, clock: FixedClock) -> Callable[[Tail], MemoryTransport]:
    """Set the rules."""

    def init(rules: Tail) -> MemoryTransport:
        driftline.init(transport=memory, tail=rules, clock=clock)
        return memory

    return init


def names(memory: MemoryTransport) -> list[str]:
    assert driftline.flush()
    return [event["name"] for event in memory.events]


def test_a_trace_with_an_error_is_kept_whole(keep: Callable[[Tail], MemoryTransport]) -> None:
    memory = keep(NOTHING)
    with driftline.span("root"):
        with driftline.span("fine"):
            pass
        driftline.log(name="broken", status="error")
    with driftline.span("dull"):
        driftline.log(name="dull too")
    assert names(memory) == ["fine", "broken", "root"]
    assert all("sample_weight" not in event for event in memory.events)
    assert driftline.stats().sampled_out == 2


def test_a_slow_span_keeps_its_trace(
    keep: Callable[[Tail], MemoryTransport], clock: FixedClock
) -> None:
    memory = keep(NOTHING)
    for seconds in (4.999, 5.0):
        with driftline.span(f"root {seconds}"), driftline.span("inner"):
            clock.advance(seconds)
    assert names(memory) == ["inner", "root 5.0"]


def test_a_low_score_keeps_its_trace(keep: Callable[[Tail], MemoryTransport]) -> None:
    memory = keep(NOTHING)
    for value in (0.0, 1.0):
        with driftline.span(f"root {value}"), driftline.span("inner") as inner:
            inner.score("thumbs", value)
    assert names(memory) == ["inner", "root 0.0"]
    assert [score["value"] for score in memory.scores] == [0.0]


def test_a_later_score_of_what_was_not_kept_is_not_sent(
    keep: Callable[[Tail], MemoryTransport],
) -> None:
    memory = keep(NOTHING)
    event_id = driftline.log(name="dull")
    driftline.score("thumbs", 0.0, event_id)
    assert names(memory) == [] and memory.scores == []
    assert driftline.stats().sampled_out == 2


def test_nothing_is_sent_before_the_trace_is_over(keep: Callable[[Tail], MemoryTransport]) -> None:
    memory = keep(Tail(rate=1.0))
    with driftline.span("root"):
        driftline.log(name="inner")
        assert names(memory) == [] and driftline.stats().held == 1
    assert names(memory) == ["inner", "root"] and driftline.stats().held == 0


def test_a_span_that_ends_late_follows_its_trace(keep: Callable[[Tail], MemoryTransport]) -> None:
    memory = keep(NOTHING)
    with driftline.span("root") as root:
        late = driftline.span("late")
        root.set(status="error")
    late.end()
    assert names(memory) == ["root", "late"]
    assert driftline.stats().late == 1


def test_too_many_open_traces_are_decided_early(
    keep: Callable[[Tail], MemoryTransport], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "MAX_TRACES", 3)
    memory = keep(Tail(rate=1.0))
    open_spans = [driftline.span(f"s{i}", trace_id=f"{i:032x}") for i in range(1, 6)]
    assert driftline.stats().decided_early == 2
    for span in open_spans:
        span.end()
    assert sorted(names(memory)) == [f"s{i}" for i in range(1, 6)]
    assert driftline.stats().late == 2


def test_too_many_held_lines_are_decided_early(
    keep: Callable[[Tail], MemoryTransport], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "MAX_LINES", 5)
    memory = keep(Tail(rate=1.0))
    with driftline.span("root"):
        for i in range(20):
            driftline.log(name=f"n{i}")
        assert driftline.stats().held <= 5
    assert len(names(memory)) == 21


def test_a_shutdown_decides_what_is_open(keep: Callable[[Tail], MemoryTransport]) -> None:
    memory = keep(NOTHING)
    root = driftline.span("root")
    with root:
        driftline.log(name="broken", status="error")
        driftline.shutdown()
    assert [event["name"] for event in memory.events] == ["broken"]


def test_the_environment_sets_the_rules(
    memory: MemoryTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_TAIL_RATE", "0")
    monkeypatch.setenv("DRIFTLINE_TAIL_SLOW_MS", "100")
    client = driftline.init(transport=memory)
    assert client.settings.tail == Tail(rate=0.0, errors=True, slow_ms=100.0)


@pytest.mark.parametrize("wrong", [{"rate": 1.5}, {"rate": -0.1}, {"slow_ms": 0.0}])
def test_wrong_rules_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Tail(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("head", "rate"), [(1.0, 0.1), (0.5, 0.25)])
def test_weighted_sums_are_unbiased(memory: MemoryTransport, head: float, rate: float) -> None:
    """20,000 seeded traces: tokens, events and errors, estimated from what was kept.

    The estimate is Σ weight·x; its variance Σ (1 - p)/p² · x² over the kept (Horvitz-Thompson). A
    trace is one event here, so that events are independent. Each lies within 4 standard errors.
    """
    rng = random.Random(7)
    clock = FixedClock()
    rules = Tail(rate=rate, slow_ms=2000)
    driftline.init(transport=memory, sample_rate=head, tail=rules, clock=clock)
    truth = {"events": 0.0, "tokens": 0.0, "errors": 0.0, "slow": 0.0}
    for _ in range(20_000):
        tokens, failed = rng.randrange(10, 2000), rng.random() < 0.03
        seconds = rng.lognormvariate(-0.5, 0.8)
        span = driftline.span("call", trace_id=f"{rng.getrandbits(128):032x}")
        span.set(usage={"output": tokens}, status="error" if failed else "ok")
        clock.advance(seconds)
        span.end()
        for name, value in _values(tokens, failed, round(seconds * 1e6)).items():
            truth[name] += value
    assert driftline.flush(30)
    for name, true in truth.items():
        estimate = variance = 0.0
        for event in memory.events:
            weight = event.get("sample_weight", 1.0)
            duration = event["end_time"] - event["start_time"]
            failed = event["status"] == "error"
            value = _values(event["usage"]["output"], failed, duration)[name]
            estimate += weight * value
            variance += weight * (weight - 1) * value**2
        assert abs(estimate - true) <= 4 * math.sqrt(variance) + 1e-6 * true, name
    assert len(memory.events) < 0.6 * 20_000


def _values(tokens: int, failed: bool, duration_us: int) -> dict[str, float]:
    return {"events": 1.0, "tokens": tokens, "errors": failed, "slow": duration_us >= 2_000_000}
