"""JSON by orjson and by the standard library is the same JSON."""

import dataclasses
import datetime
import enum
import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.sdk.encode import best_dumps, fast_dumps, slow_dumps
from driftline.sdk.snapshot import snapshot

FAST = fast_dumps()
assert FAST is not None, "orjson belongs to the development environment"


@dataclasses.dataclass
class Point:
    x: int
    when: datetime.date


class Level(enum.IntEnum):
    HIGH = 3


ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=[]))  # lone surrogates too
    | st.datetimes()
    | st.uuids()
    | st.builds(Point, st.integers(), st.dates())
    | st.just(Level.HIGH)
    | st.binary(max_size=5)
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)


@given(VALUES)
def test_both_encoders_give_the_same_json(value: Any) -> None:
    taken = snapshot(value).value
    assert json.loads(FAST(taken)) == json.loads(slow_dumps(taken))


@given(st.text(st.characters(exclude_categories=[])))
def test_the_bytes_are_utf8_whatever_the_text(text: str) -> None:
    for dumps in (FAST, slow_dumps):
        assert "\n" not in dumps(text).decode("utf-8")


def test_the_fast_one_is_used_when_it_is_there() -> None:
    assert best_dumps()(["é"]) == '["é"]'.encode()


def test_what_has_no_json_raises() -> None:
    with pytest.raises(ValueError):
        slow_dumps(float("nan"))


def test_a_uuid_is_its_text() -> None:
    id = uuid.UUID(int=5)
    assert json.loads(FAST({"id": id})) == {"id": str(id)}
