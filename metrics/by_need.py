"""Models are loaded when the first event needs one: some projects chose metrics that need none."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from driftline.sdk.errors import DriftlineError
from driftline.sdk.records import Event

from .catalog import Catalog
from .errors import ModelError
from .measure import measured
from .memory import Scorer
from .perplexity import Check, unchecked
from .scoring import SCORED_KIND, Chosen, Scored


class ByNeed:
    """Functions of one event by itself; for anything else the scorer that `load` loads, once."""

    def __init__(self, catalog: Catalog, load: Callable[[], Scorer]) -> None:
        self._catalog = catalog
        self._load = load
        self._loaded: Scorer | None = None

    def score(
        self, events: Sequence[Event], check: Check = unchecked, chosen: Chosen | None = None
    ) -> Scored:
        """As `EventScorer.score`. Raises ModelError when the models cannot be loaded."""
        names = self._catalog.defaults if chosen is None else frozenset(chosen)
        if self._loaded is None and names <= self._catalog.metrics.keys():
            return self._without_models(events, check, names)
        if self._loaded is None:
            self._loaded = self._load_whole()
        return self._loaded.score(events, check, chosen)

    def _load_whole(self) -> Scorer:
        """The models; whatever goes wrong with them is no event's fault."""
        try:
            return self._load()
        except DriftlineError:
            raise
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
            raise ModelError(f"the models cannot be loaded ({words})") from error

    def _without_models(self, events: Sequence[Event], check: Check, names: Chosen) -> Scored:
        started = time.perf_counter()
        metrics = [metric for name, metric in self._catalog.metrics.items() if name in names]
        scored = Scored()
        for event in events:
            check()
            if event.kind == SCORED_KIND:
                scored.scores += [measured(metric, event) for metric in metrics]
        scored.seconds["text"] = time.perf_counter() - started
        return scored
