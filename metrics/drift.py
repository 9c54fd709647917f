"""Did a window of traffic change against its reference? Every signal tested, one decision.

    result = evaluate(task, read_features(reference), read_features(current))

Each signal has a test that is exact (or conservative) at any sample size. Holm's correction over
the signals of the window bounds the chance that a window without any change is called drift by
`task.alpha`. A signal counts only if its effect also reaches a floor: with enough events any test
finds a difference that nobody would care about. docs/drift.md has the measured error rates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from driftline.sdk.records import DriftResult, DriftTask, MapPoint, SignalResult

from .features import Features
from .findings import correct
from .projection import embedding_map
from .signals import MIN_EVENTS, SIGNALS

TOLD = 3  # signals in the summary

Decision = Literal["drift", "stable", "not_enough_data"]


def evaluate(task: DriftTask, reference: Features, current: Features) -> DriftResult:
    """The window's decision with every signal's test. The same input gives the same result.

    `drift` iff at least one signal is significant after the correction at task.alpha and reaches
    its floor; `not_enough_data` when no signal has 30 values on both sides.
    """
    signals = correct([look(task, reference, current) for look in SIGNALS], task.alpha)
    decision = _decide(signals)
    return DriftResult(
        window_id=task.window_id,
        decision=decision,
        alpha=task.alpha,
        summary=_summary(decision, signals, task.alpha, len(reference), len(current)),
        signals=signals,
        map=_map(signals, reference, current),
    )


def _decide(signals: Sequence[SignalResult]) -> Decision:
    if any(signal.drifted for signal in signals):
        return "drift"
    if all(signal.p_value is None for signal in signals):
        return "not_enough_data"
    return "stable"


def _summary(
    decision: Decision, signals: Sequence[SignalResult], alpha: float, n: int, m: int
) -> str:
    """One paragraph for the person on call: the strongest evidence first."""
    if decision == "drift":
        drifted = sorted((s for s in signals if s.drifted), key=_strength)
        more = f" And {len(drifted) - TOLD} more." if len(drifted) > TOLD else ""
        return ". ".join(signal.words for signal in drifted[:TOLD]) + "." + more
    if decision == "not_enough_data":
        return (
            f"Not enough data: {n} reference and {m} current events, of which no signal has "
            f"{MIN_EVENTS} on each side."
        )
    tested = sum(signal.p_value is not None for signal in signals)
    return (
        f"No drift: {m} events compared with {n}, {tested} signals tested, none changed "
        f"(false-alarm rate of a window at most {alpha:.2g})."
    )


def _strength(signal: SignalResult) -> tuple[float, float]:
    """Smallest adjusted p first, then how far the effect is above its floor."""
    p = 1.0 if signal.adjusted_p_value is None else signal.adjusted_p_value
    return p, -(signal.effect or 0.0) / signal.effect_floor


def _map(signals: Sequence[SignalResult], reference: Features, current: Features) -> list[MapPoint]:
    """Of the answers if their content gives the stronger evidence, else of the prompts."""
    p = {signal.signal: signal.p_value for signal in signals if signal.p_value is not None}
    if p.get("response_embedding", 2.0) < p.get("prompt_embedding", 2.0):
        old, new, label = reference.response, current.response, "response"
    else:
        old, new, label = reference.prompt, current.prompt, "prompt"
    return embedding_map(reference, current, old, new, label)
