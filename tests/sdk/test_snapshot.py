"""What the app passed is copied, bounded, at once."""

import dataclasses
import enum
from pathlib import PurePosixPath
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from driftline.sdk.snapshot import (
    MAX_DEPTH,
    MAX_FIELD_BYTES,
    MAX_NODES,
    cut_text,
    plain,
    snapshot,
)

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)  # fmt: skip


@given(TREES)
def test_json_values_are_copied_as_they_are(value: Any) -> None:
    taken = snapshot(value)
    assert taken.value == value and not taken.cut


def test_a_list_that_the_app_changes_later_keeps_its_value() -> None:
    messages = [{"role": "user", "content": "hi"}]
    taken = snapshot(messages)
    messages[0]["content"] = "changed"
    messages.append({"role": "assistant", "content": "later"})
    assert taken.value == [{"role": "user", "content": "hi"}]


@given(st.text(max_size=60), st.integers(0, 80))
def test_a_cut_text_is_a_prefix_within_the_limit(text: str, limit: int) -> None:
    cut = cut_text(text, limit)
    assert text.startswith(cut)
    assert len(cut.encode("utf-8", "replace")) <= limit
    if len(text.encode("utf-8", "replace")) <= limit:
        assert cut == text


def test_a_fifty_megabyte_prompt_is_cut_and_its_length_is_kept() -> None:
    taken = snapshot("é" * 50_000_000)
    assert taken.cut and taken.characters == 50_000_000
    assert taken.value == "é" * (MAX_FIELD_BYTES // 2)


def test_many_texts_share_one_budget() -> None:
    taken = snapshot([{"content": "x" * 700_000}, {"content": "y" * 700_000}])
    assert taken.cut and taken.characters == 1_400_000
    assert taken.size <= MAX_FIELD_BYTES + 1000


def test_a_structure_without_end_is_cut() -> None:
    loop: list[object] = ["x"]
    loop.append(loop)
    assert snapshot(loop).cut
    deep: object = "x"
    for _ in range(MAX_DEPTH + 2):
        deep = [deep]
    assert snapshot(deep).cut
    wide = snapshot(list(range(MAX_NODES * 2)))
    assert wide.cut and isinstance(wide.value, list) and len(wide.value) < MAX_NODES


def test_an_inlined_image_is_named_not_copied() -> None:
    url = "data:image/png;base64," + "A" * 100_000
    taken = snapshot([{"image_url": {"url": url}}])
    assert "(100022 characters)" in str(taken.value) and len(str(taken.value)) < 200


def test_numbers_that_json_has_not_are_none() -> None:
    assert snapshot([float("nan"), float("inf"), 1.5]).value == [None, None, 1.5]


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Document:
    text: str
    score: float


class Model:
    def model_dump(self, mode: str) -> dict[str, str]:
        return {"mode": mode}


class Angry:
    def model_dump(self, mode: str) -> None:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        raise RuntimeError("never ask for a repr")


def test_objects_become_json_on_the_senders_thread() -> None:
    assert plain(Document("a", 0.5)) == {"text": "a", "score": 0.5}
    assert plain(Colour.RED) == "red"
    assert plain(Model()) == {"mode": "json"}
    assert plain(PurePosixPath("/a/b")) == "/a/b"


def test_an_unknown_object_is_its_types_name() -> None:
    assert plain(object()) == "<builtins.object>"
    assert str(plain(Angry())).endswith(".Angry>")


def test_bytes_are_their_length() -> None:
    assert snapshot(b"secret").value == "<6 bytes>"


def test_keys_that_are_no_texts_become_texts() -> None:
    assert snapshot({1: "a", None: "b"}).value == {"1": "a", "None": "b"}
