"""Memory really runs out here: in a process whose address space is limited."""

from __future__ import annotations

import json
import subprocess
import sys

from driftline.metrics.batches import GROW_AFTER_BATCHES, Budget

# A scorer that needs 64 MB for each event it is given at once, in a process that may have 200 MB
# more than it has now; the event `huge` needs 1 GB by itself.
SCARCE = """
import json, resource, sys
import numpy as np
from driftline.metrics.frugal import Frugal
from driftline.metrics.perplexity import unchecked
from driftline.metrics.scoring import Scored
from driftline.sdk.records import Event, Score, decode_record

MB = 1 << 20

def event(name):
    blank = dict.fromkeys(Event.__dataclass_fields__, "")
    lists = {"input": [], "context": [], "token_logprobs": [], "tags": [], "usage": {}}
    numbers = {"latency_ms": 0, "sample_weight": 1, "cost": None, "time_to_first_token_ms": None}
    return decode_record(Event, {**blank, **lists, **numbers, "metadata": {}, "truncated": {},
                                 "id": name})

class Hungry:
    given = []

    def score(self, events, check=unchecked, chosen=None):
        self.given.append(len(events))
        need = sum(1024 if e.id == "huge" else 64 for e in events)
        room = np.ones(need * MB, dtype=np.uint8)
        return Scored(scores=[Score(e.id, "room", float(room[0])) for e in events])

size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 200 * MB, size + 200 * MB))
scorer = Frugal(Hungry(), 16)
names = [f"e{n}" for n in range(10)] + ["huge"] + [f"f{n}" for n in range(5)]
first = scorer.score([event(n) for n in names])
Hungry.given.clear()
second = scorer.score([event(n) for n in names if n != "huge"])
print(json.dumps({
    "scored": sorted(s.event_id for s in first.scores), "failed": first.failed,
    "budget": scorer.budget.now, "second": Hungry.given,
    "again": len(second.scores), "failed again": len(second.failed)}))
"""


def test_memory_that_runs_out_makes_batches_smaller_and_blames_only_what_fails_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCARCE], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["scored"] == sorted([*(f"e{n}" for n in range(10)), *(f"f{n}" for n in range(5))])
    assert list(found["failed"]) == ["huge"] and "allocate" in found["failed"]["huge"]
    assert found["budget"] <= 2
    assert max(found["second"]) <= 2  # it does not try again what did not fit a moment ago
    assert (found["again"], found["failed again"]) == (15, 0)


def fits(room: int) -> Budget:
    """A budget of 16 after a batch of which only `room` items fitted at once."""
    budget = Budget(16)

    def run(items: list[int]) -> list[int]:
        if len(items) > room:
            raise MemoryError
        return items

    assert budget.halving(run, list(range(16))) == list(range(16))
    return budget


def test_the_budget_is_what_fitted() -> None:
    assert [fits(room).now for room in (16, 9, 8, 4, 1)] == [16, 8, 8, 4, 1]


def test_the_budget_grows_back_slowly_and_never_above_what_it_was() -> None:
    budget = fits(4)
    seen = []
    for _ in range(10 * GROW_AFTER_BATCHES):
        budget.halving(list, [1])
        seen.append(budget.now)
    assert seen[GROW_AFTER_BATCHES - 10] == 4
    assert seen == sorted(seen) and seen[-1] == 16
    assert len(set(seen)) > 4
