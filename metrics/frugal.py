"""Fewer events at once where memory runs out; an event is to blame only when it fails alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from driftline.sdk.records import Event

from .batches import Budget, is_out_of_memory
from .memory import Scorer
from .perplexity import Check, unchecked
from .scoring import MAX_ERROR_CHARACTERS, Chosen, Scored

Run = Callable[[list[Event]], list[Scored]]


class Frugal:
    """A scorer in front of `scorer`, which gets at most as many events as lately fitted."""

    def __init__(self, scorer: Scorer, max_events: int) -> None:
        self._scorer = scorer
        self.budget = Budget(max_events)

    def score(
        self, events: Sequence[Event], check: Check = unchecked, chosen: Chosen | None = None
    ) -> Scored:
        """As `scorer.score`; what does not fit into memory is tried in halves, down to one."""

        def run(part: list[Event]) -> list[Scored]:
            found = self._scorer.score(part, check, chosen)
            return [found, *(Scored() for _ in part[1:])]

        total, left = Scored(), list(events)
        while left:
            check()
            part, left = left[: self.budget.now], left[self.budget.now :]
            for found in self.budget.halving(lambda some: self._alone(run, some), part):
                _add(total, found)
        return total

    def _alone(self, run: Run, events: list[Event]) -> list[Scored]:
        """An event that does not fit by itself has failed; its neighbours have not."""
        try:
            return run(events)
        except (MemoryError, RuntimeError) as error:
            if len(events) > 1 or not is_out_of_memory(error):
                raise
            words = f"{type(error).__name__}: {error}"[:MAX_ERROR_CHARACTERS]
        return [Scored(failed={events[0].id: words})]


def _add(total: Scored, found: Scored) -> None:
    total.scores += found.scores
    total.embeddings += found.embeddings
    total.failed |= found.failed
    total.tokens += found.tokens
    total.reused += found.reused
    for stage, seconds in found.seconds.items():
        total.seconds[stage] = total.seconds.get(stage, 0.0) + seconds
