"""From spans to durable rows: the pipeline and the committer that JSON lines go through too."""

from __future__ import annotations

from dataclasses import dataclass

from .batch import Outcome
from .event import Drop
from .intake import Intake, take_event, take_score
from .otlp_mapping import event_of, scores_of
from .otlp_request import Span
from .pipeline import Arrival
from .services import Services

MAX_REASONS = 5


@dataclass(frozen=True, slots=True)
class Rejection:
    """What the sender is told: how many spans will not be stored, and why."""

    spans: int
    message: str


def take_in_spans(parts: Services, project: str, spans: list[Span], size: int) -> Intake:
    """What of the spans is stored, dropped and cautioned. Raises Problem 429 when too fast."""
    wanted = parts.policies.of(project)
    parts.limits.charge(project, wanted, len(spans), size)
    kept = parts.scope.keep(project, spans) if wanted.llm_scope else spans
    intake = Intake()
    if len(kept) < len(spans):
        intake.left_out["out_of_scope"] += len(spans) - len(kept)
    arrival = Arrival(project, parts.clock(), wanted, parts.tombstones.of(project))
    for number, span in enumerate(kept, 1):
        intake.lines += 1
        event = event_of(span)
        if isinstance(event, Drop):
            intake.reject(number, event)
            continue
        take_event(intake, number, event, [], arrival)
        for score in scores_of(span, event.id):
            take_score(intake, number, score, [], arrival)
    return intake


def rejection(intake: Intake, outcome: Outcome) -> Rejection:
    """OTLP's partial success: nothing of it is worth sending again."""
    problems = [(p.reason, p.field, p.message) for p in intake.rejected]
    problems += [(r.drop.reason, r.drop.field, r.drop.message) for r in outcome.refused]
    reasons = list(dict.fromkeys(f"{reason} {field}: {words}" for reason, field, words in problems))
    return Rejection(len(problems), "; ".join(reasons[:MAX_REASONS]))


def measure(parts: Services, intake: Intake, outcome: Outcome) -> None:
    """Count what became of the spans."""
    meters = parts.meters
    meters.accepted.inc(outcome.accepted)
    meters.duplicates.inc(outcome.duplicates)
    for problem in intake.rejected:
        meters.rejected.labels(problem.reason).inc()
    for refusal in outcome.refused:
        meters.rejected.labels(refusal.drop.reason).inc()
    for reason, count in intake.left_out.items():
        meters.rejected.labels(reason).inc(count)
