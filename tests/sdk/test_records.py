"""Records read JSON, ignore what they do not know, and write the same JSON again."""

import dataclasses
import inspect
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftline.sdk import records

RECORDS = [
    cls
    for _, cls in inspect.getmembers(records, inspect.isclass)
    if dataclasses.is_dataclass(cls) and cls.__module__ == records.__name__
]


@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
def test_a_record_survives_the_wire(cls: type) -> None:
    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.from_type(cls))
    def check(record: Any) -> None:
        wire = json.loads(json.dumps(records.encode(record)))
        wire["a field of the future"] = 1
        again = records.decode_record(cls, wire)
        assert json.dumps(records.encode(again)) == json.dumps(records.encode(record))  # NaN too
        assert type(again) is cls

    check()


def test_a_float_field_reads_an_integer_and_null() -> None:
    wire = {"line": 1, "id": "x", "reason": "r", "field": "f", "message": "m"}
    assert records.decode_record(records.LineProblem, wire).line == 1
    assert records.decode(float | None, 3) == 3.0
    assert isinstance(records.decode(float, 3), float)
    assert records.decode(float | None, None) is None


def test_a_record_cannot_be_changed() -> None:
    message = records.Message("user", "hi")
    with pytest.raises(dataclasses.FrozenInstanceError):
        message.role = "system"  # type: ignore[misc]


def test_a_missing_required_field_is_an_error() -> None:
    with pytest.raises(TypeError):
        records.decode_record(records.Message, {"role": "user"})
