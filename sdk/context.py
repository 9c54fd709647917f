"""Which span is current: one context variable.

No tokens: a generator's body may be resumed in another context than it was started in (a thread
pool, another task), where `ContextVar.reset` raises. Leaving restores what was current before, but
only where the span left, or a descendant left open, is still current; elsewhere it does nothing.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import NamedTuple


class Link(NamedTuple):
    """What came with the trace from elsewhere, and goes on with it.

    weight: the inverse of the chance that the head of the trace kept it. tracestate: other
    vendors' entries (W3C Trace Context). random: its flag of that name.
    """

    weight: float = 1.0
    tracestate: str = ""
    random: bool = True


class Active(NamedTuple):
    """What children inherit from the current span. `outer` was current when it was made."""

    event_id: str
    trace_id: str
    span_id: str
    sampled: bool
    inherited: dict[str, str]
    outer: Active | None
    link: Link = Link()


_current: ContextVar[Active | None] = ContextVar("driftline_span", default=None)
current = _current.get
replace = _current.set


def leave(active: Active, before: Active | None) -> None:
    """`active` ended: make current what was current `before` it."""
    node = _current.get()
    while node is not None:
        if node is active:
            _current.set(before)
            return
        node = node.outer
