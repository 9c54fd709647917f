"""Which sequences begin alike: what they share is computed once (the same system prompt, several
answers to one prompt, one answer in two contexts).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

LEAST_SHARED_TOKENS = 64  # below, two small passes cost more than one that repeats itself


class Family(NamedTuple):
    """Sequences (by index) with the same first `shared` tokens; 0: nothing worth sharing."""

    shared: int
    members: list[int]


def families(sequences: Sequence[Sequence[int]], least: int = LEAST_SHARED_TOKENS) -> list[Family]:
    """Every sequence in one family; those that share nothing are one family together.

    Of each sequence at least one token is left that is not shared. In the order of their tokens
    those that begin alike are neighbours: a family takes the next one as long as that saves more
    tokens than it gives up by a shorter common beginning.
    """
    order = sorted(range(len(sequences)), key=lambda index: list(sequences[index]))
    found: list[Family] = []
    for index in order:
        grown = _joined(found[-1], sequences, index, least) if found else None
        if grown:
            found[-1] = grown
        else:
            found.append(Family(max(0, len(sequences[index]) - 1), [index]))
    alone = [family.members[0] for family in found if len(family.members) == 1]
    shared = [family for family in found if len(family.members) > 1]
    return [*shared, Family(0, alone)] if alone else shared


def _joined(
    family: Family, sequences: Sequence[Sequence[int]], index: int, least: int
) -> Family | None:
    size = len(family.members)
    other = sequences[family.members[0]]
    most = min(family.shared, len(sequences[index]) - 1)
    shared = common(other, sequences[index], most)
    if shared < least or size * shared < (size - 1) * family.shared:
        return None
    return Family(shared, [*family.members, index])


def common(one: Sequence[int], other: Sequence[int], most: int) -> int:
    """How many of the first `most` tokens are the same."""
    most = max(0, most)
    pairs = zip(one[:most], other[:most], strict=True)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), most)
