"""The spans of a library that tells us when its runs start and end, each by an id of its own.

Bounded: a library that never says that a run ended (a cancelled call, a dropped stream) costs the
oldest runs their end; they are sent as far as they came, marked `unfinished`.
"""

from __future__ import annotations

import atexit
import itertools
import os
import threading
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import context
from .ambient import client
from .context import Active
from .guard import strict, warn_once
from .span import Span
from .using import used

if TYPE_CHECKING:
    from .fields import Fields, NamedFields

MAX_OPEN = 5_000
MAX_AGE_SECONDS = 3_600
MAX_ENDED = (
    1_000  # remembered as parents: a query that streams has returned when its model is asked
)
MAX_PASSAGES = 100
OWN_PREFIXES = ("ls_", "langgraph_", "lc_", "user_api_key", "litellm_")  # the libraries' own
SAME_NAME = (
    "session_id",
    "user_id",
    "variant",
    "prompt_name",
    "prompt_version",
    "environment",
    "release",
    "context",
    "tags",
)


@dataclass(slots=True)
class Run:
    """An open span. `passages` are those that its whole tree has retrieved so far."""

    span: Span
    kind: str
    began_us: int
    passages: list[str] = field(default_factory=list)
    started: bool = False  # whether a token has come
    partial: Callable[[], NamedFields] | None = None  # what is known if no end comes

    def first_token(self) -> None:
        """A token came; the first one counts."""
        if not self.started:
            self.started = True
            self.span.first_token()


class Runs:
    """The open runs of one library."""

    def __init__(self, library: str) -> None:
        self.library = library
        self._open: dict[Hashable, Run] = {}
        self._ended: dict[Hashable | None, tuple[Active, list[str]]] = {}
        self._lock = threading.Lock()
        self._closes = False  # whether `close` is registered with the interpreter's exit
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def start(self, key: Hashable, parent: Hashable | None, name: str, fields: Fields) -> Run:
        """Open a run's span: a child of its parent's, or of the current span."""
        active, passages = self._above(parent)
        kind = fields.get("kind") or "chain"
        span = _open_span(active, name, fields)
        span.set(**used(kind))
        run = Run(span, kind, span.now_us(), passages)
        if kind == "llm" and run.passages:
            span.set(context=list(run.passages))
        with self._lock:
            self._open[key] = run
            late = self._overdue(run.began_us)
            if not self._closes:  # after the client's own exit was, so that it comes before it
                self._closes = True
                atexit.register(self.close)
        for old in late:
            _give_up(old)
        return run

    def _after_fork(self) -> None:
        """In a forked child: what is open is the parent's to end."""
        self._lock = threading.Lock()
        self._open = {}

    def close(self) -> None:
        """The process ends: what is still open is sent as far as it came."""
        with self._lock:
            late = list(self._open.values())
            self._open.clear()
        for run in late:
            _give_up(run)

    def _above(self, parent: Hashable | None) -> tuple[Active | None, list[str]]:
        """A parent's span and what its tree has retrieved; it may have ended a while ago."""
        run = self._open.get(parent) if parent is not None else None
        if run is not None:
            return run.span.active, run.passages
        return self._ended.get(parent, (None, []))

    def knows(self, key: Hashable | None) -> bool:
        """Whether a run of that id is open, or ended lately."""
        return key in self._open or key in self._ended

    def _overdue(self, now_us: int) -> list[Run]:
        """Take out the runs, oldest first, that are too many or too old."""
        late = []
        oldest = itertools.islice(self._open.items(), max(len(self._open) - MAX_OPEN, 1))
        for key, run in list(oldest):
            if len(self._open) > MAX_OPEN or now_us - run.began_us > MAX_AGE_SECONDS * 1_000_000:
                late.append(self._open.pop(key))
        return late

    def get(self, key: Hashable) -> Run | None:
        """The open run of that id."""
        return self._open.get(key)

    def retrieved(self, key: Hashable, passages: Iterable[object]) -> None:
        """A retrieval found `passages`: later model calls of the same tree are asked with them."""
        run = self._open.get(key)
        texts = [str(passage) for passage in passages]
        if run is not None:
            run.span.set(context=texts)
            run.passages.extend(texts[: MAX_PASSAGES - len(run.passages)])

    def end(
        self,
        key: Hashable,
        fields: NamedFields | None = None,
        error: BaseException | None = None,
        end_us: int | None = None,
    ) -> None:
        """The run ended, or failed. Unknown ids are nothing to us."""
        with self._lock:
            run = self._open.pop(key, None)
            if run is None:
                return
            self._ended[key] = run.span.active, run.passages
            if len(self._ended) > MAX_ENDED:
                del self._ended[next(iter(self._ended))]
        if fields:
            run.span.set(**fields)
        if isinstance(error, GeneratorExit):
            run.span.set(metadata={"closed_early": True})
        elif error is not None:
            run.span.fail(error)
        run.span.end(end_us)

    def changed(self, error: Exception) -> None:
        """The library is not as we know it: fewer fields are logged. Raises under test."""
        if strict():
            raise error
        kind = type(error).__name__
        warn_once(self.library, f"{self.library} events lack fields, its shape is unknown ({kind})")


def _give_up(run: Run) -> None:
    if run.partial is not None:
        run.span.set(**run.partial())
    run.span.set(metadata={"unfinished": True})
    run.span.end(run.began_us)


def _open_span(above: Active | None, name: str, fields: Fields) -> Span:
    before = context.current()
    if above is not None:
        context.replace(above)
    try:
        return client().span(name, **fields)
    finally:
        context.replace(before)


def named_in(metadata: object) -> NamedFields:
    """The event's fields that an app gives in a library's own metadata, under the same names."""
    if not isinstance(metadata, dict):
        return {}
    found = {name: metadata[name] for name in SAME_NAME if metadata.get(name) is not None}
    return found  # type: ignore[return-value]


def rest_of(metadata: object) -> dict[str, object]:
    """What else the app gives in a library's metadata: plain values, without the library's own."""
    if not isinstance(metadata, dict):
        return {}
    return {
        name: value
        for name, value in metadata.items()
        if isinstance(value, (str, int, float, bool))
        and name not in SAME_NAME
        and not str(name).startswith(OWN_PREFIXES)
    }
