"""A request's lines, sorted into what is stored, what is dropped and what is cautioned. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from driftline.sdk.records import LineProblem

from . import pipeline
from .batch import Batch, EventLine, ScoreLine
from .event import Caution, Drop, Event, ScoreFact
from .pipeline import Arrival
from .usual_line import read_usual
from .wire import read_line


@dataclass(slots=True)
class Intake:
    """What the lines of one request came to."""

    events: list[EventLine] = field(default_factory=list)
    scores: list[ScoreLine] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    rejected: list[LineProblem] = field(default_factory=list)
    warnings: list[LineProblem] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)  # by reason, and nobody's mistake
    lines: int = 0

    def batch(self, project: str) -> Batch:
        """The part that goes to the databases."""
        dropped = Counter(problem.reason for problem in self.rejected) + self.left_out
        return Batch(project, tuple(self.events), tuple(self.scores), dropped, self.lost)

    def reject(self, number: int, drop: Drop) -> None:
        """Note that a line is not stored."""
        self.rejected.append(LineProblem(number, drop.id, drop.reason, drop.field, drop.message))

    def warn(self, number: int, event_id: str, cautions: list[Caution]) -> None:
        """Note what of a line was left out or cut."""
        self.warnings += [
            LineProblem(number, event_id, caution.reason, caution.field, caution.message)
            for caution in cautions
        ]


def take_in(body: bytes, arrival: Arrival, max_line_bytes: int) -> Intake:
    """Read every line of a plain body; blank lines are skipped but counted, lines begin at 1."""
    intake = Intake()
    for number, line in enumerate(body.split(b"\n"), 1):
        if line and not line.isspace():
            intake.lines += 1
            _take_line(intake, number, line, arrival, max_line_bytes)
    return intake


def _take_line(
    intake: Intake, number: int, line: bytes, arrival: Arrival, max_line_bytes: int
) -> None:
    if len(line) > max_line_bytes:
        words = f"a line holds at most {max_line_bytes} bytes"
        intake.reject(number, Drop("line_too_large", "", words))
        return
    event = read_usual(line)
    if event is not None:
        take_event(intake, number, event, [], arrival)
        return
    read = read_line(line)
    if isinstance(read, Drop):
        intake.reject(number, read)
        return
    found, cautions = read
    if isinstance(found, Event):
        take_event(intake, number, found, cautions, arrival)
    elif isinstance(found, ScoreFact):
        take_score(intake, number, found, cautions, arrival)
    else:
        intake.lost[found.reason] += found.count
        intake.warn(number, "", cautions)


def take_event(
    intake: Intake, number: int, event: Event, cautions: list[Caution], arrival: Arrival
) -> None:
    """Run the pipeline on an event and note what came of it."""
    ready = pipeline.run(event, arrival)
    if isinstance(ready, Drop):
        intake.reject(number, ready)
        return
    intake.events.append(EventLine(number, ready.id, ready.encode(), ready.sample_weight))
    intake.warn(number, str(ready.id), cautions + pipeline.truncations(ready))


def take_score(
    intake: Intake, number: int, score: ScoreFact, cautions: list[Caution], arrival: Arrival
) -> None:
    """Check a score and note what came of it."""
    ready = pipeline.check_score(score, arrival)
    if isinstance(ready, Drop):
        intake.reject(number, ready)
        return
    intake.scores.append(ScoreLine(number, ready))
    intake.warn(number, str(ready.event_id), cautions)
