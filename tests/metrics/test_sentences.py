"""Sentences with offsets."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.metrics.sentences import sentences

TEXTS = st.one_of(st.text(), st.text(alphabet="aB1 .!?\n\"'()。！…\u2028\u202eé🙂e.g"))


def split(text: str) -> list[str]:
    return [sentence.text for sentence in sentences(text)]


@given(TEXTS)
def test_offsets_slice_the_text_in_order_and_lose_no_word(text: str) -> None:
    found = sentences(text)
    end = 0
    for sentence in found:
        assert text[sentence.start : sentence.end] == sentence.text
        assert end <= sentence.start < sentence.end <= len(text)
        assert sentence.text == sentence.text.strip()
        end = sentence.end
    kept = "".join(character for sentence in found for character in sentence.text)
    assert sum(map(str.isalnum, kept)) == sum(map(str.isalnum, text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Smith met J. K. Rowling at 5 p.m. today. She left.",
         ["Dr. Smith met J. K. Rowling at 5 p.m. today.", "She left."]),
        ("Heat to 350 degrees F. Then wait.", ["Heat to 350 degrees F.", "Then wait."]),
        ("Add 3.5 cups, e.g. water. Stir.", ["Add 3.5 cups, e.g. water.", "Stir."]),
        ("Steps:\n1. Mix it.\n2. Bake it.", ["Steps:", "1. Mix it.", "2. Bake it."]),
        ("- first item\n- second item", ["- first item", "- second item"]),
        ('He said "No." Then he left.', ['He said "No."', "Then he left."]),
        ("Really?! Yes... no.", ["Really?!", "Yes...", "no."]),
        ("你好。我在这里！是吗？", ["你好。", "我在这里！", "是吗？"]),
        ("هل أنت هنا؟ نعم.", ["هل أنت هنا؟", "نعم."]),
        ("यह एक वाक्य है। दूसरा।", ["यह एक वाक्य है।", "दूसरा।"]),
        ("No mark at the end", ["No mark at the end"]),
        ("  \n\n... !!! \n", []),
        ("", []),
    ],
)  # fmt: skip
def test_texts_are_cut_where_a_reader_would(text: str, expected: list[str]) -> None:
    assert split(text) == expected


@pytest.mark.parametrize(
    "unit", [".", "a.", "a. ", '."', "1. ", "\n", "a", "é\u0301", "\u202e", "J. "]
)
def test_a_long_run_of_anything_takes_bounded_time(unit: str) -> None:
    text = unit * (400_000 // len(unit))
    started = time.process_time()
    sentences(text)
    assert time.process_time() - started < 20.0
