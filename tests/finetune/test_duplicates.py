"""Exact and near duplicates."""

from hypothesis import given
from hypothesis import strategies as st

from driftline.finetune.duplicates import Seen, fingerprint, shingles

LONG = "the quick brown fox jumps over the lazy dog and runs far away into the deep wood at night"


def test_case_spacing_and_punctuation_make_no_new_text() -> None:
    seen = Seen()
    seen.add("What is a  Router?")
    assert seen.repeats("what is a router") == "duplicate"


def test_a_text_with_one_changed_word_at_its_end_is_a_near_duplicate() -> None:
    seen = Seen()
    seen.add(LONG)
    assert seen.repeats(LONG + " alone") == "near_duplicate"


def test_different_texts_are_no_duplicates() -> None:
    seen = Seen()
    seen.add(LONG)
    assert seen.repeats("how do plants make their food from light and water") is None


def test_texts_in_scripts_without_latin_letters_differ_by_their_words() -> None:
    assert fingerprint("什么是路由器") != fingerprint("什么是交换机")
    assert fingerprint("!!!") != fingerprint("???")


@given(st.lists(st.text(max_size=80), max_size=12), st.text(max_size=80))
def test_the_index_finds_the_same_similarity_as_comparing_with_each(
    texts: list[str], probe: str
) -> None:
    seen = Seen()
    for text in texts:
        seen.add(text)
    mine = shingles(probe)
    pairwise = [
        len(mine & shingles(text)) / len(mine | shingles(text))
        for text in texts
        if mine & shingles(text)
    ]
    assert seen.similarity(probe) == max(pairwise, default=0.0)
