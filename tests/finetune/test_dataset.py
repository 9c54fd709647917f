"""From traffic to a dataset: every event is in a split or counted under one reason."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from driftline.finetune import dataset as curation
from driftline.finetune.dataset import Dataset
from driftline.finetune.errors import NotEnoughData
from driftline.finetune.prompt import Renderer
from driftline.finetune.rows import SPLITS, read_rows, write_rows
from driftline.sdk.records import Event, EventRow, JobSpec, Message

Pair = tuple[EventRow, Event]
MakeTraffic = Callable[..., Pair]
SAME_AS_3 = {
    "question": "what is the colour of thing 3?",
    "answer": "THING 3 is painted in shade 21",
}
SPEC = JobSpec(max_length=160, test_rows=6)


def build(pairs: list[Pair], renderer: Renderer, spec: JobSpec = SPEC) -> Dataset:
    bodies = {event.id: event for _, event in pairs}
    return curation.build(
        (row for row, _ in pairs), lambda wanted: [bodies[i] for i in wanted], spec, renderer
    )


@pytest.fixture
def good(make_traffic: MakeTraffic) -> list[Pair]:
    return [make_traffic(i) for i in range(40)]


@pytest.mark.parametrize(
    ("reason", "odd"),
    [
        ("error", {"status": "error"}),
        ("refusal", {"scores": {"response_refusal": 1.0, "hallucination": 0.0}}),
        ("hallucinated", {"scores": {"hallucination": 0.9}, "context": ["a passage"]}),
        ("unscored", {"context": ["a passage"]}),
        ("empty", {"answer": "  \n"}),
        ("too_short", {"answer": "..."}),
        ("too_long", {"answer": "word " * 200}),
        ("truncated", {"truncated": {"output": 2_000_000}}),
        ("no_question", {"messages": [Message("system", "be kind")]}),
        ("multi_turn", {"messages": [Message("user", "a"), Message("assistant", "b")]}),
        (
            "duplicate",
            {
                "question": "what is the colour of thing 3?",
                "answer": "THING 3 is painted in shade 21",
            },
        ),
    ],
)
def test_an_event_that_must_not_be_learned_from_is_counted_by_its_reason(
    reason: str,
    odd: dict[str, object],
    good: list[Pair],
    make_traffic: MakeTraffic,
    renderer: Renderer,
) -> None:
    data = build([*good, make_traffic(900, **odd)], renderer)
    assert data.report.dropped == {reason: 1}
    assert "e00900" not in {row.event_id for split in SPLITS for row in data.splits[split]}


def test_every_event_is_kept_or_counted_once(
    good: list[Pair], make_traffic: MakeTraffic, renderer: Renderer
) -> None:
    pairs = [*good, *(make_traffic(i, status="error") for i in range(50, 57)), *good[:3]]
    report = build(pairs, renderer).report
    kept = report.train + report.validation + report.test
    assert report.considered == len(pairs) == kept + sum(report.dropped.values())
    assert report.dropped == {"error": 7, "duplicate": 3}


def test_the_newest_rows_win_when_there_are_too_many(good: list[Pair], renderer: Renderer) -> None:
    data = build(good, renderer, dataclasses.replace(SPEC, max_rows=30))
    assert data.report.dropped == {"over_max_rows": 10}
    kept = {row.event_id for split in SPLITS for row in data.splits[split]}
    assert kept == {event.id for _, event in good[:30]}


def test_answers_to_the_same_question_stay_on_one_side(
    good: list[Pair], make_traffic: MakeTraffic, renderer: Renderer
) -> None:
    again = [
        make_traffic(100 + i, question=f"What is the colour of thing {i}", answer=f"it is hue {i}x")
        for i in range(40)
    ]
    data = build([*good, *again], renderer)
    sides = [{row.group for row in data.splits[split]} for split in SPLITS]
    assert data.report.train + data.report.validation + data.report.test == 80
    assert not sides[0] & sides[1] and not sides[1] & sides[2] and not sides[0] & sides[2]


def test_a_training_question_that_nearly_repeats_a_held_out_one_is_a_leak(
    make_traffic: MakeTraffic, renderer: Renderer
) -> None:
    stem = "please tell me in a few words what the colour of the old house by the sea is number"
    pairs = [make_traffic(i, question=f"{stem} {chr(97 + i)}") for i in range(26)]
    with pytest.raises(NotEnoughData, match="leak"):
        build(pairs, renderer)


def test_an_answer_without_context_needs_no_hallucination_score_and_is_counted(
    good: list[Pair], make_traffic: MakeTraffic, renderer: Renderer
) -> None:
    scored = make_traffic(700, context=["a fact"], scores={"hallucination": 0.1})
    data = build([*good, scored], renderer)
    assert data.unscored_without_context == 40
    assert data.report.dropped == {}


def test_too_little_data_fails_with_the_counts_and_what_to_do(
    good: list[Pair], renderer: Renderer
) -> None:
    with pytest.raises(NotEnoughData, match=r"10 of 10 events kept.*Widen since/until"):
        build(good[:10], renderer)


def test_the_same_traffic_gives_the_same_dataset_and_its_hash_names_it(
    good: list[Pair], renderer: Renderer
) -> None:
    first, second = build(good, renderer), build(good, renderer)
    assert first.report.sha256 == second.report.sha256
    assert build(good[1:], renderer).report.sha256 != first.report.sha256


def test_rows_come_back_from_disk_as_they_were(
    good: list[Pair], make_traffic: MakeTraffic, renderer: Renderer, tmp_path: Path
) -> None:
    odd = make_traffic(800, answer="line\u2028separator, emoji 🦊 and \x85")
    rows = build([*good, odd], renderer).splits["train"]
    write_rows(tmp_path / "train.jsonl", rows)
    assert read_rows(tmp_path / "train.jsonl") == rows
