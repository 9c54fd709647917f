"""The dataset of a job: from the project's traffic to disjoint train, validation and test rows.

Newest first: rows are taken from the newest event backwards until `spec.max_rows` are kept, because
a job is started when the traffic has changed. Every event that is not kept is counted, by reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from driftline.sdk.api import Api
from driftline.sdk.records import DatasetReport, Event, EventRow, JobSpec

from .duplicates import Seen, fingerprint
from .errors import FinetuneError, NotEnoughData
from .filters import Reason, drop_event, drop_row, is_unscored
from .prompt import Renderer, question_of
from .rows import SPLITS, Row, Split, dataset_sha256
from .splits import assign

PAGE_ROWS = 1000
BODY_ROWS = 100
EARLIEST = "1970-01-01T00:00:00Z"
MIN_TRAIN_ROWS = 8
MIN_TEST_ROWS = 5  # a bootstrap of fewer paired differences says nothing

Bodies = Callable[[Sequence[str]], list[Event]]


@dataclass(frozen=True, slots=True)
class Dataset:
    """The rows of each split, what was dropped, and what was kept with a remark."""

    splits: dict[Split, list[Row]]
    report: DatasetReport
    trimmed: int
    unscored_without_context: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A usable row before it has a split."""

    row: Row
    trimmed: bool
    unscored: bool


def traffic(api: Api, spec: JobSpec, until: str) -> Iterator[EventRow]:
    """All `llm` rows of spec.since..until, newest first. `until` pins "now" for the whole job."""
    cursor = ""
    while True:
        page = api.events(
            start=spec.since or EARLIEST,
            end=spec.until or until,
            kind="llm",
            limit=PAGE_ROWS,
            cursor=cursor,
        )
        yield from page.rows
        cursor = page.next_cursor
        if not cursor:
            return


def build(rows: Iterable[EventRow], bodies: Bodies, spec: JobSpec, renderer: Renderer) -> Dataset:
    """Filter, deduplicate, split and check. Raises NotEnoughData with the counts in words."""
    dropped: Counter[str] = Counter()
    candidates, considered = _candidates(rows, spec, dropped)
    drafts = _drafts(candidates, bodies, spec, renderer, dropped)
    splits = _split(drafts, spec.test_rows, dropped)
    report = _report(splits, considered, dropped)
    check(splits, report)
    kept = {row.event_id for split in SPLITS for row in splits[split]}
    used = [draft for draft in drafts if draft.row.event_id in kept]
    return Dataset(
        splits=splits,
        report=report,
        trimmed=sum(draft.trimmed for draft in used),
        unscored_without_context=sum(draft.unscored for draft in used),
    )


def check(splits: dict[Split, list[Row]], report: DatasetReport) -> None:
    """Enough rows to train and to judge, and no question on both sides."""
    train, test = splits["train"], splits["test"]
    shared = {row.group for row in train} & {row.group for row in test + splits["validation"]}
    if shared:
        raise FinetuneError(f"{len(shared)} questions are in training and held-out data: a bug")
    if len(train) < MIN_TRAIN_ROWS or len(test) < MIN_TEST_ROWS or not splits["validation"]:
        raise NotEnoughData(
            f"{len(train)} rows to train on and {len(test)} to test with are too few (at least "
            f"{MIN_TRAIN_ROWS} and {MIN_TEST_ROWS}). {describe(report)}. Widen since/until, raise "
            "max_hallucination or max_length, or wait for more traffic."
        )


def describe(report: DatasetReport) -> str:
    """The report in a sentence."""
    kept = report.train + report.validation + report.test
    reasons = sorted(report.dropped.items(), key=lambda item: -item[1])
    left_out = ", ".join(f"{reason} {count}" for reason, count in reasons) or "nothing"
    return (
        f"{kept} of {report.considered} events kept: {report.train} train, {report.validation} "
        f"validation, {report.test} test; dropped: {left_out}"
    )


def _candidates(
    rows: Iterable[EventRow], spec: JobSpec, dropped: Counter[str]
) -> tuple[list[EventRow], int]:
    kept, considered = [], 0
    for row in rows:
        considered += 1
        reason = drop_row(row, spec)
        if reason:
            dropped[reason] += 1
        else:
            kept.append(row)
    return kept, considered


def _drafts(
    candidates: list[EventRow],
    bodies: Bodies,
    spec: JobSpec,
    renderer: Renderer,
    dropped: Counter[str],
) -> list[Draft]:
    drafts: list[Draft] = []
    seen = Seen()
    for start in range(0, len(candidates), BODY_ROWS):
        batch = candidates[start : start + BODY_ROWS]
        if len(drafts) == spec.max_rows:
            dropped["over_max_rows"] += len(batch)
            continue
        events = {event.id: event for event in bodies([row.id for row in batch])}
        for row in batch:
            full = len(drafts) == spec.max_rows
            draft = "over_max_rows" if full else _draft(row, events.get(row.id), renderer, seen)
            if isinstance(draft, str):
                dropped[draft] += 1
            else:
                drafts.append(draft)
    return drafts


def _draft(row: EventRow, event: Event | None, renderer: Renderer, seen: Seen) -> Draft | Reason:
    reason = drop_event(row, event) if event else "deleted"
    if event is None or reason:
        return reason or "deleted"
    question, answer = question_of(event), event.output.strip()
    text = question + "\n" + answer
    repeated = seen.repeats(text)
    if repeated:
        return repeated
    rendered = renderer.render(question, event.context, answer)
    if rendered is None:
        return "too_long"
    seen.add(text)
    group = fingerprint(question)
    example = Row(event.id, group, question, rendered.prompt, rendered.completion)
    return Draft(example, rendered.trimmed, is_unscored(row))


def _split(drafts: list[Draft], test_rows: int, dropped: Counter[str]) -> dict[Split, list[Row]]:
    chosen = assign((draft.row.group for draft in drafts), test_rows)
    held_out = Seen()
    for draft in drafts:
        if chosen[draft.row.group] != "train":
            held_out.add(draft.row.question)
    splits: dict[Split, list[Row]] = {split: [] for split in SPLITS}
    for draft in drafts:
        split = chosen[draft.row.group]
        if split == "train" and held_out.repeats(draft.row.question):
            dropped["leak"] += 1
        else:
            splits[split].append(draft.row)
    return splits


def _report(
    splits: dict[Split, list[Row]], considered: int, dropped: Counter[str]
) -> DatasetReport:
    return DatasetReport(
        considered=considered,
        train=len(splits["train"]),
        validation=len(splits["validation"]),
        test=len(splits["test"]),
        dropped=dict(sorted(dropped.items())),
        sha256=dataset_sha256(splits),
    )
