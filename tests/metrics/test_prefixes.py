"""Which sequences share a beginning."""

from hypothesis import example, given
from hypothesis import strategies as st

from driftline.metrics.prefixes import common, families

TOKENS = st.lists(st.integers(0, 2), min_size=2, max_size=12)
SEQUENCES = st.lists(TOKENS, max_size=12)


@given(SEQUENCES, st.integers(2, 6))
def test_every_sequence_is_in_one_family(sequences: list[list[int]], least: int) -> None:
    members = [index for family in families(sequences, least) for index in family.members]
    assert sorted(members) == list(range(len(sequences)))


@given(SEQUENCES, st.integers(2, 6))
def test_a_family_begins_alike_and_leaves_each_member_a_token(
    sequences: list[list[int]], least: int
) -> None:
    for family in families(sequences, least):
        beginnings = {tuple(sequences[index][: family.shared]) for index in family.members}
        assert len(beginnings) == 1
        assert family.shared == 0 or family.shared >= least
        assert all(len(sequences[index]) > family.shared for index in family.members)
        assert family.shared == 0 or len(family.members) > 1


def test_answers_to_one_prompt_are_a_family_and_strangers_are_not() -> None:
    prompt, other = [1, 2, 3, 4], [1, 9, 9, 9]
    found = families([[*prompt, 5], [*other, 5], [*prompt, 6, 7]], least=3)
    assert [(f.shared, sorted(f.members)) for f in found] == [(4, [0, 2]), (0, [1])]


def test_a_short_common_beginning_does_not_break_up_a_long_one() -> None:
    system = [1, 2]
    question = [*system, *range(10, 30)]
    found = families([[*question, 3], [*question, 4], [*system, 99, 5]], least=2)
    assert [(f.shared, sorted(f.members)) for f in found] == [(22, [0, 1]), (0, [2])]


@example([0, 1], [0, 1, 1], -1)
@given(TOKENS, TOKENS, st.integers(-1, 12))
def test_what_is_common_is_counted_up_to_the_first_difference(
    one: list[int], other: list[int], most: int
) -> None:
    most = min(most, len(one), len(other))
    found = common(one, other, most)
    assert one[:found] == other[:found]
    assert found == max(0, most) or one[found] != other[found]
