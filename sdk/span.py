"""One operation being logged: fill it with `set`, and it is sent when it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from . import context
from .context import Active
from .event import Event
from .guard import swallow

if TYPE_CHECKING:
    from typing import Unpack

    from .fields import NamedFields
    from .ids import Clock

Score = Callable[..., None]
INHERITED = frozenset(("session_id", "user_id", "variant"))


class Span:
    """A span of a trace. `with` and `async with` make it current, so that inner spans are children.

    An unsampled span behaves alike and records nothing.
    """

    __slots__ = ("_active", "_before", "_clock", "_ended", "_event", "_score", "_submit")

    def __init__(
        self,
        event: Event,
        active: Active,
        clock: Clock,
        submit: Callable[[Event], None],
        score: Score,
    ) -> None:
        self._event = event
        self._active = active
        self._clock = clock
        self._submit = submit
        self._score = score
        self._ended = False
        self._before: Active | None = None  # what was current when this span was entered

    @property
    def id(self) -> str:
        """The event's id, for a later `driftline.score(..., event_id=id)`."""
        return self._event.id

    @property
    def trace_id(self) -> str:
        """32 hex digits; pass it to another process to continue the trace there."""
        return self._event.trace_id

    @property
    def span_id(self) -> str:
        """16 hex digits: the `parent_id` of children in another process."""
        return self._active.span_id

    @property
    def sampled(self) -> bool:
        """Whether this trace is kept."""
        return self._active.sampled

    @property
    def recording(self) -> bool:
        """Whether setting fields has an effect."""
        return self._active.sampled and not self._ended

    @property
    def active(self) -> Active:
        """What children inherit."""
        return self._active

    def set(self, **fields: Unpack[NamedFields]) -> Span:
        """Set fields of the event; metadata, usage and tags add to what is there."""
        try:
            if self._active.sampled and not self._ended:
                if not INHERITED.isdisjoint(fields):
                    self._inherit(fields)
                self._event.update(fields)
        except Exception as error:
            swallow(error, "span.set")
        return self

    def _inherit(self, fields: NamedFields) -> None:
        for name in INHERITED:
            value = fields.get(name)
            if value is not None:
                self._active.inherited[name] = str(value)

    def now_us(self) -> int:
        """The span's clock, in microseconds since the Unix epoch."""
        return self._clock()

    def first_token(self) -> None:
        """The first token of the answer arrived now."""
        elapsed_us = self._clock() - self._event.start_us
        self.set(time_to_first_token_ms=max(0.0, elapsed_us / 1000))

    def score(
        self, name: str, value: float | None, *, label: str = "", explanation: str = ""
    ) -> None:
        """Score this event."""
        self._score(name, value, self.id, label=label, explanation=explanation)

    def fail(self, error: BaseException) -> Span:
        """Record an exception."""
        return self.set(status="error", error=describe(error))

    def end(self, end_us: int | None = None) -> None:
        """Finish and send; further calls do nothing."""
        if self._ended:
            return
        self._ended = True
        try:
            event = self._event
            end = self._clock() if end_us is None else end_us
            event.end_us = end if end > event.start_us else event.start_us
            if self._active.sampled:
                self._submit(self._event)
        except Exception as error:
            swallow(error, "span.end")

    def __enter__(self) -> Span:
        self._before = context.current()
        context.replace(self._active)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        context.leave(self._active, self._before)
        if isinstance(error, GeneratorExit):
            self.set(metadata={"closed_early": True})
        elif error is not None:
            self.fail(error)
        self.end()

    async def __aenter__(self) -> Span:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)


def describe(error: BaseException) -> str:
    """An exception in a line: its type and its text."""
    name = type(error).__name__
    with contextlib.suppress(Exception):  # the app's own __str__
        text = str(error)
        return f"{name}: {text}" if text else name
    return name
