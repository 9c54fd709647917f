"""Specs out of limits are refused before anything is loaded."""

import dataclasses

import pytest

from driftline.finetune.errors import FinetuneError
from driftline.finetune.spec import LIMITS, check_spec
from driftline.sdk.records import JobSpec


def test_the_default_spec_is_fine() -> None:
    check_spec(JobSpec())


@pytest.mark.parametrize(("name", "least", "most"), LIMITS)
def test_a_field_out_of_its_limits_is_named(name: str, least: float, most: float) -> None:
    for value in (least - 1, most + 1, float("nan")):
        with pytest.raises(FinetuneError, match=f"{name} is"):
            check_spec(dataclasses.replace(JobSpec(), **{name: value}))


def test_all_wrong_fields_are_named_at_once() -> None:
    with pytest.raises(FinetuneError, match=r"rank is 0.*batch_size is -1"):
        check_spec(JobSpec(rank=0, batch_size=-1))
