"""Train, validation and test by the hash of the question.

Groups are taken in the order of their hash: the lowest fill the test split, the next validation,
the rest is for training. So one question never crosses splits, the order of rows does not matter,
and a question near the bottom of the hash range is a test question in every later job as well.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from .rows import Split

SHARE = 0.1
MAX_TEST_SHARE = 0.3
MIN_VALIDATION_ROWS = 4


def assign(groups: Iterable[str], test_rows: int) -> dict[str, Split]:
    """The split of each group; `groups` has one entry a row, each a uniform hash.

    Test takes 10 %, or `test_rows` when that is more, but never over 30 % of the rows; a group
    too large for the room left goes to training.
    """
    sizes = Counter(groups)
    total = sum(sizes.values())
    test = max(math.ceil(SHARE * total), min(test_rows, int(MAX_TEST_SHARE * total)))
    validation = max(
        math.ceil(SHARE * total), min(MIN_VALIDATION_ROWS, int(MAX_TEST_SHARE * total))
    )
    chosen: dict[str, Split] = {}
    _fill(chosen, sizes, "test", test)
    _fill(chosen, sizes, "validation", validation)
    return {group: chosen.get(group, "train") for group in sizes}


def _fill(chosen: dict[str, Split], sizes: Counter[str], split: Split, wanted: int) -> None:
    room = wanted
    for group in sorted(sizes):
        if room > 0 and group not in chosen and sizes[group] <= room:
            chosen[group] = split
            room -= sizes[group]
