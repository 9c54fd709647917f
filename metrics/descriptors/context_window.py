"""How full the model's context window was."""

from __future__ import annotations

from driftline.metrics.metric import Value, metric
from driftline.sdk.records import Event

MAX_TOKENS = 10**9


@metric(
    name="response_context_window_use",
    title="Context window used",
    formula="(input + output tokens of the usage) / `context_window` of the metadata",
    needs="the whole event",
    low=0.0,
    lies="as the provider counts tokens; null unless the app logs usage and window",
    unit="1",
    default=False,
)
def context_window_use(event: Event) -> Value:
    used = event.usage.get("input", 0) + event.usage.get("output", 0)
    if used <= 0:
        return Value(None, "no token usage was logged")
    window = _window(event.metadata.get("context_window", ""))
    if window is None:
        return Value(None, "no `context_window` (tokens) in the event's metadata")
    return Value(used / window, stats={"tokens": float(used), "window": float(window)})


def _window(said: str) -> int | None:
    plain = said.strip().replace("_", "").replace(",", "")[:12]
    return (
        int(plain) if plain.isascii() and plain.isdigit() and 0 < int(plain) < MAX_TOKENS else None
    )
