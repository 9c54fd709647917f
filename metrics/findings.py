"""What one test of one signal found, before and after the correction for testing many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from driftline.sdk.records import SignalResult

from .multiplicity import holm


@dataclass(frozen=True, slots=True)
class Finding:
    """One test. `p_value` None: it could not be made, `change` says why.

    change: what changed, in a sentence without its end, should it have changed ("Answers got
    longer: median 1,030 characters, was 762"); subject: what was looked at ("Answer length");
    measure: statistic in short ("KS D=0.36"); examples: event ids that show it, best first.
    """

    signal: str
    method: str
    subject: str
    change: str
    effect_unit: str
    effect_floor: float
    n_reference: int
    n_current: int
    measure: str = ""
    statistic: float | None = None
    p_value: float | None = None
    effect: float | None = None
    reference_summary: float | None = None
    current_summary: float | None = None
    examples: list[str] = field(default_factory=list)


def correct(findings: Sequence[Finding], alpha: float) -> list[SignalResult]:
    """Holm over all tests that were made; drifted needs a large enough effect as well."""
    adjusted = iter(holm([f.p_value for f in findings if f.p_value is not None]))
    return [_result(f, None if f.p_value is None else next(adjusted), alpha) for f in findings]


def _result(found: Finding, adjusted: float | None, alpha: float) -> SignalResult:
    significant = adjusted is not None and adjusted <= alpha
    drifted = significant and found.effect is not None and found.effect >= found.effect_floor
    return SignalResult(
        signal=found.signal,
        method=found.method,
        statistic=found.statistic,
        p_value=found.p_value,
        adjusted_p_value=adjusted,
        effect=found.effect,
        effect_unit=found.effect_unit,
        effect_floor=found.effect_floor,
        n_reference=found.n_reference,
        n_current=found.n_current,
        reference_summary=found.reference_summary,
        current_summary=found.current_summary,
        drifted=drifted,
        words=_words(found, adjusted, significant, drifted),
        examples=found.examples if drifted else [],
    )


def _words(found: Finding, adjusted: float | None, significant: bool, drifted: bool) -> str:
    if adjusted is None:
        return found.change
    evidence = f"({found.measure}, adjusted {p_words(adjusted)})"
    if drifted:
        return f"{found.change} {evidence}"
    if significant:
        return f"{found.subject}: a change too small to matter {evidence}"
    return f"{found.subject}: no change shown {evidence}"


def p_words(p: float) -> str:
    """A p-value with two significant digits, as people read them."""
    return "p<0.0001" if p < 0.0001 else f"p={p:.2g}" if p < 0.001 else f"p={p:.3f}"
