"""Laws of the split."""

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from driftline.finetune.duplicates import fingerprint
from driftline.finetune.splits import assign

GROUPS = st.lists(st.integers(0, 60).map(lambda n: fingerprint(f"question {n}")), max_size=300)
UNIQUE = st.integers(1, 400).map(lambda n: [fingerprint(f"question {i}") for i in range(n)])


@given(GROUPS, st.integers(0, 60))
def test_every_group_has_exactly_one_split_whatever_the_order_of_rows(
    groups: list[str], test_rows: int
) -> None:
    chosen = assign(groups, test_rows)
    assert set(chosen) == set(groups)
    assert chosen == assign(sorted(groups, reverse=True), test_rows)


@given(UNIQUE, st.integers(0, 60))
def test_single_rows_fill_the_test_split_to_the_row(groups: list[str], test_rows: int) -> None:
    sizes = Counter(assign(groups, test_rows).values())
    total = len(groups)
    assert sizes["test"] == max(math.ceil(0.1 * total), min(test_rows, int(0.3 * total)))


@given(st.integers(20, 400), st.integers(0, 60))
def test_most_rows_are_for_training_and_no_split_is_empty(total: int, test_rows: int) -> None:
    sizes = Counter(assign([fingerprint(str(i)) for i in range(total)], test_rows).values())
    assert sizes["train"] >= 0.5 * total
    assert sizes["validation"] > 0 and sizes["test"] > 0


@given(GROUPS, st.integers(0, 60))
def test_the_test_split_never_grows_past_what_was_wanted(groups: list[str], test_rows: int) -> None:
    chosen = assign(groups, test_rows)
    total = len(groups)
    rows = Counter(chosen[group] for group in groups)
    assert rows["test"] <= max(math.ceil(0.1 * total), min(test_rows, int(0.3 * total)))


def test_a_test_question_stays_one_when_more_questions_come() -> None:
    few = [fingerprint(f"q{i}") for i in range(100)]
    before = {group for group, split in assign(few, 10).items() if split == "test"}
    wanted = assign(few + [fingerprint(f"new{i}") for i in range(100)], 20)
    lowest = sorted(before)[:5]
    assert [wanted[group] for group in lowest] == ["test"] * 5
