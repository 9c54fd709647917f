"""Which spans are kept: those about language models, and their parents.

A web framework reports every request and every query; most of it is not ours. A parent often ends
after its children and comes in a later request, so the parents of what was kept are remembered.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from .otlp_aliases import SCOPE_PREFIXES
from .otlp_request import Span

REMEMBERED_PARENTS = 50_000

Key = tuple[str, str, str]  # project, trace, span


def is_in_scope(span: Span) -> bool:
    """Whether the span itself is about a language model."""
    return any(name.startswith(SCOPE_PREFIXES) for name in span.attributes)


class Scope:
    """Remembers wanted parents, in this process. Thread-safe."""

    def __init__(self, capacity: int = REMEMBERED_PARENTS) -> None:
        self._capacity = capacity
        self._wanted: OrderedDict[Key, None] = OrderedDict()
        self._mutex = threading.Lock()

    def keep(self, project: str, spans: Sequence[Span]) -> list[Span]:
        """The spans to keep, in order; their parents are wanted from now on."""
        by_id = {(span.trace_id, span.span_id): span for span in spans}
        with self._mutex:
            kept = {
                key
                for key, span in by_id.items()
                if is_in_scope(span) or (project, *key) in self._wanted
            }
            for key in list(kept):
                self._keep_ancestors(project, key, by_id, kept)
            while len(self._wanted) > self._capacity:
                self._wanted.popitem(last=False)
        return [span for span in spans if (span.trace_id, span.span_id) in kept]

    def _keep_ancestors(
        self,
        project: str,
        key: tuple[str, str],
        by_id: dict[tuple[str, str], Span],
        kept: set[tuple[str, str]],
    ) -> None:
        """Walk up until a parent is not here: that one is wanted when it comes."""
        span: Span | None = by_id[key]
        while span is not None and span.parent_id:
            above = (span.trace_id, span.parent_id)
            if above in by_id and above in kept:
                return
            kept.add(above)
            self._wanted[(project, *above)] = None
            self._wanted.move_to_end((project, *above))
            span = by_id.get(above)
