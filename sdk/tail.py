"""Tail sampling: keep a trace for what happened in it, else by chance, and say with what weight.

    driftline.init(tail=driftline.Tail(rate=0.1, errors=True, slow_ms=5000, scores={"thumbs": 0.5}))

A trace is held in memory until its first span in this process ends, then decided as a whole. Kept
by a rule: weight 1. Kept by chance: weight 1/rate. Times the head's weight it is the inverse of the
chance to be kept, so sums over stored events, each times its `sample_weight`, are unbiased
(Horvitz and Thompson 1952). The chance is a hash of the trace id: processes of one trace agree.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .errors import ConfigError
from .event import Event, Line, ScoreLine

MAX_TRACES = 1_000  # open at once
MAX_LINES = 10_000  # held in open traces
MAX_HELD_BYTES = 32 << 20
MAX_DECIDED = 10_000  # decisions remembered, for lines that come late
DROPPED = 0.0


@dataclass(frozen=True, slots=True)
class Tail:
    """Which traces to keep once they are over.

    errors: those with a span of status error. slow_ms: those with a span that took as long.
    scores: those with a score of that name at or below the number, given before the trace is over.
    rate: the share of the rest, 0 to 1.
    """

    rate: float = 1.0
    errors: bool = True
    slow_ms: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0.0 <= self.rate <= 1.0:
            raise ConfigError("tail rate (DRIFTLINE_TAIL_RATE) must be from 0 to 1")
        if self.slow_ms is not None and not self.slow_ms > 0.0:
            raise ConfigError("tail slow_ms (DRIFTLINE_TAIL_SLOW_MS) must be over 0")

    def wants(self, line: Line) -> bool:
        """Whether a trace with this line is kept."""
        if isinstance(line, ScoreLine):
            limit = self.scores.get(line.name)
            return limit is not None and line.value is not None and line.value <= limit
        return isinstance(line, Event) and (self._failed(line) or self._slow(line))

    def _failed(self, event: Event) -> bool:
        return self.errors and event.values.get("status") == "error"

    def _slow(self, event: Event) -> bool:
        if self.slow_ms is None or event.end_us is None:
            return False
        return event.end_us - event.start_us >= self.slow_ms * 1000

    def weigh(self, trace_id: str) -> float:
        """The weight of a trace that no rule keeps; DROPPED when chance does not either."""
        digest = hashlib.blake2b(trace_id.encode(), digest_size=8, person=b"driftline tail")
        kept = int.from_bytes(digest.digest(), "big") < self.rate * 2**64
        return 1.0 / self.rate if kept else DROPPED


@dataclass(slots=True)
class _Open:
    """A trace that is not over: its lines, its events, and the first spans that have not ended."""

    roots: set[str] = field(default_factory=set)
    ids: list[str] = field(default_factory=list)
    lines: list[Event | ScoreLine] = field(default_factory=list)
    wanted: bool = False
    size: int = 0


class TailBuffer:
    """Holds open traces; `send`s the lines of those it keeps and `skip`s each of the others.

    It is bounded: when it is full the oldest trace is decided early, by what is known of it. A line
    that comes after its trace's decision follows it; when that is forgotten, chance decides.
    """

    def __init__(self, tail: Tail, send: Callable[[Line], None], skip: Callable[[], None]) -> None:
        self._tail = tail
        self._send = send
        self._skip = skip
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._traces: dict[str, str] = {}  # of the events of open traces
        self._decided: OrderedDict[str, float] = OrderedDict()  # weights of traces
        self._dropped: OrderedDict[str, float] = OrderedDict()  # events, for scores that come late
        self._ready: deque[tuple[Line | None, float]] = deque()
        self._held = self._size = self._early = self._late = 0
        # Re-entrant: a garbage collection inside may end a span.
        self._lock = threading.RLock()

    def begin(self, trace_id: str, event_id: str, root: bool) -> None:
        """A span starts. `root`: it has no parent in this process, and opens the trace (again)."""
        with self._lock:
            found = self._open.get(trace_id)
            if root:
                found = self._open.setdefault(trace_id, _Open())
                found.roots.add(event_id)
            if found is not None:
                found.ids.append(event_id)
                self._traces[event_id] = trace_id
            self._bound()
        self._deliver()

    def put(self, line: Event | ScoreLine) -> None:
        """Hold a line until its trace is decided, or do with it what was decided."""
        with self._lock:
            if isinstance(line, ScoreLine):
                trace_id = self._traces.get(line.event_id, "")
            else:
                trace_id = line.trace_id
            found = self._open.get(trace_id)
            if found is not None:
                self._hold(found, trace_id, line)
            else:
                self._follow(line)
            self._bound()
        self._deliver()

    def decide_all(self) -> None:
        """The process ends: decide what is open by what is known of it."""
        with self._lock:
            while self._open:
                self._decide(next(iter(self._open)))
        self._deliver()

    def counts(self) -> tuple[int, int, int]:
        """Lines held, traces decided before their end, lines that came after the decision."""
        return self._held, self._early, self._late

    def _hold(self, found: _Open, trace_id: str, line: Event | ScoreLine) -> None:
        found.lines.append(line)
        found.wanted = found.wanted or self._tail.wants(line)
        found.size += line.size
        self._held += 1
        self._size += line.size
        if isinstance(line, Event):
            found.roots.discard(line.id)
        if not found.roots:
            self._decide(trace_id)

    def _follow(self, line: Event | ScoreLine) -> None:
        """A line without an open trace: a score of an earlier event, or a late span."""
        if isinstance(line, ScoreLine):
            kept = line.event_id not in self._dropped
            self._ready.append((line if kept else None, 1.0))
            return
        self._late += 1
        weight = self._decided.get(line.trace_id)
        if weight is None:
            weight = self._tail.weigh(line.trace_id)
        if weight == DROPPED:
            _remember(self._dropped, line.id, weight)
        self._ready.append((line if weight else None, weight))

    def _bound(self) -> None:
        while self._open and (
            len(self._open) > MAX_TRACES or self._held > MAX_LINES or self._size > MAX_HELD_BYTES
        ):
            self._early += 1
            self._decide(next(iter(self._open)))

    def _decide(self, trace_id: str) -> None:
        found = self._open.pop(trace_id)
        weight = 1.0 if found.wanted else self._tail.weigh(trace_id)
        self._held -= len(found.lines)
        self._size -= found.size
        _remember(self._decided, trace_id, weight)
        for event_id in found.ids:
            self._traces.pop(event_id, None)
            if weight == DROPPED:
                _remember(self._dropped, event_id, weight)
        self._ready.extend((line if weight else None, weight) for line in found.lines)

    def _deliver(self) -> None:
        """Outside of the lock: sending may write to a disk."""
        while True:
            try:
                line, weight = self._ready.popleft()
            except IndexError:
                return
            if line is None:
                self._skip()
                continue
            if isinstance(line, Event):
                line.weight *= weight
            self._send(line)


def _remember(known: OrderedDict[str, float], key: str, weight: float) -> None:
    known[key] = weight
    known.move_to_end(key)
    if len(known) > MAX_DECIDED:
        known.popitem(last=False)
