"""Losses: a closed set of reasons, counted, told once."""

import json
from collections import Counter

import pytest

from driftline.sdk.encode import slow_dumps
from driftline.sdk.losses import Loss, Losses, LossLine


def test_only_the_first_loss_for_a_reason_is_the_first() -> None:
    losses = Losses()
    assert losses.add(Loss.QUEUE_FULL)
    assert not losses.add(Loss.QUEUE_FULL, 4)
    assert not losses.add(Loss.TOO_LARGE, 0)
    assert losses.by_reason() == {"queue_full": 5}


def test_what_was_told_is_not_told_again() -> None:
    losses = Losses()
    losses.add(Loss.QUEUE_FULL, 5)
    losses.tell(losses.untold())
    assert losses.untold() == Counter()
    losses.add(Loss.QUEUE_FULL, 2)
    assert losses.untold() == {Loss.QUEUE_FULL: 2}
    assert losses.by_reason() == {"queue_full": 7}


def test_the_collectors_own_rejections_are_not_told_back() -> None:
    losses = Losses()
    losses.add(Loss.rejection("invalid_id"))
    losses.add(Loss.rejection("a reason of the future"))
    assert losses.untold() == Counter()
    assert losses.by_reason() == {"rejected": 1, "rejected_invalid_id": 1}


@pytest.mark.parametrize(
    "reason",
    [
        "invalid_json",
        "invalid_utf8",
        "not_an_object",
        "missing_field",
        "invalid_field",
        "invalid_id",
        "time_out_of_range",
        "line_too_large",
    ],
)
def test_every_reason_of_the_contract_has_its_own_count(reason: str) -> None:
    assert Loss.rejection(reason).value == f"rejected_{reason}"


def test_a_report_is_a_line_of_the_contract() -> None:
    line = LossLine("01890a5d-ac96-774b-bcce-b302099a8057", Loss.QUEUE_FULL, 12)
    assert json.loads(line.encode(slow_dumps)) == {
        "type": "loss",
        "id": "01890a5d-ac96-774b-bcce-b302099a8057",
        "reason": "queue_full",
        "count": 12,
    }
