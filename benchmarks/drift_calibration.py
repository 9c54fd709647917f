"""How often does a drift window raise a false alarm, and what does it catch?

    python benchmarks/drift_calibration.py                     # synthetic traffic, about 15 minutes
    python benchmarks/drift_calibration.py --quick             # a few trials, for the tests
    python benchmarks/drift_calibration.py --ragtruth PATH     # and recorded traffic, with MiniLM

Runs the whole of `driftline.metrics.drift.evaluate` on seeded windows and counts decisions, with
95 % Clopper-Pearson intervals. Synthetic traffic has unit vectors of 384 dimensions around 40
topics, answers that follow their prompt, and heavy-tailed scores that are correlated with each
other. Recorded traffic is RAGTruth's questions with the answers of llama-2-70b and -7b.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from drift_recorded import Recorded, read_recorded
from numpy.typing import NDArray
from scipy.stats import beta

from driftline.metrics.drift import evaluate
from driftline.metrics.features import Features
from driftline.sdk.records import DriftResult, DriftTask, WindowRef

DIMENSIONS = 384
TOPICS = 40
TOPIC_SPREAD = 0.7  # of the noise beside the topic's direction
BURST = 5
ALPHAS = (0.01, 0.05)

Numbers = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, int], tuple[Features, Features]]


@dataclass(frozen=True, slots=True)
class Change:
    """What is different in the current synthetic traffic. Shares are of the events."""

    new_topic: float = 0.0
    scattered: float = 0.0
    longer: float = 1.0
    less_grounded: float = 0.0
    burst: int = 1


@dataclass(frozen=True, slots=True)
class Counted:
    """Windows out of `trials`, with the exact 95 % interval of their rate."""

    hits: int
    trials: int

    def __str__(self) -> str:
        low = beta.ppf(0.025, self.hits, self.trials - self.hits + 1) if self.hits else 0.0
        high = (
            beta.ppf(0.975, self.hits + 1, self.trials - self.hits)
            if self.hits < self.trials
            else 1.0
        )
        return f"{self.hits / self.trials:.3f} [{low:.3f}, {high:.3f}]"


# ------------------------------------------------------------------ synthetic traffic


def synthetic(change: Change) -> Draw:
    """Reference and current windows; the reference never has the change but for the bursts."""

    def draw(rng: np.random.Generator, n: int, m: int) -> tuple[Features, Features]:
        topics = unit(rng.normal(size=(TOPICS + 1, DIMENSIONS)))
        quiet = Change(burst=change.burst)
        return side(rng, n, topics, quiet), side(rng, m, topics, change)

    return draw


def side(rng: np.random.Generator, n: int, topics: Numbers, change: Change) -> Features:
    """n events in bursts of `change.burst` on one topic."""
    bursts = -(-n // change.burst)
    topic = np.repeat(rng.integers(0, TOPICS, bursts), change.burst)[:n]
    direction = topics[np.where(rng.random(n) < change.new_topic, TOPICS, topic)]
    stray = (rng.random(n) < change.scattered)[:, None]
    direction = np.where(stray, unit(rng.normal(size=(n, DIMENSIONS))), direction)
    prompt = unit(direction + noise(rng, n))
    response = unit(prompt + noise(rng, n))
    return Features(
        [f"{index:06d}" for index in range(n)],
        prompt.astype(np.float32),
        response.astype(np.float32),
        scores(rng, n, change, np.repeat(rng.normal(size=bursts), change.burst)[:n]),
    )


def scores(rng: np.random.Generator, n: int, change: Change, shared: Numbers) -> dict[str, Numbers]:
    """Correlated scores: log-normal lengths, a t-distributed surprise, a probability."""
    mood = 0.6 * shared + 0.8 * rng.normal(size=n)
    length = np.exp(6.6 + 0.7 * mood) * change.longer
    risk = 1.5 * rng.normal(size=n) + 0.8 * mood + change.less_grounded - 0.4
    return {
        "response_length": np.floor(length),
        "prompt_length": np.floor(np.exp(4.0 + 1.2 * rng.standard_t(4, size=n) * 0.5)),
        "response_bits_per_byte": 0.8 - 0.1 * mood + 0.1 * rng.standard_t(3, size=n),
        "hallucination": 1.0 / (1.0 + np.exp(-risk)),
        "response_type_token_ratio": np.clip(0.65 - 0.08 * mood + 0.05 * rng.normal(size=n), 0, 1),
    }


def noise(rng: np.random.Generator, n: int) -> Numbers:
    return TOPIC_SPREAD * unit(rng.normal(size=(n, DIMENSIONS)))


def unit(rows: Numbers) -> Numbers:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


# --------------------------------------------------------------------------- counting


def windows(
    draw: Draw, n: int, m: int, trials: int, permutations: int, seed: int
) -> Iterator[DriftResult]:
    """`trials` evaluated windows, each with a reference of its own."""
    nobody = WindowRef("", "", "", [])
    for trial in range(trials):
        rng = np.random.default_rng([seed, trial])
        task = DriftTask(
            str(trial), nobody, nobody, ALPHAS[0], permutations, int(rng.integers(2**31))
        )
        yield evaluate(task, *draw(rng, n, m))


def row(label: str, n: int, m: int, results: list[DriftResult]) -> str:
    """A line of the table: windows called drift at both levels, and which signals did it."""
    cells = [str(Counted(sum(drifted(r, a) for r in results), len(results))) for a in ALPHAS]
    names = [signal.signal for signal in results[0].signals]
    caught = {
        name: sum(fired(r, name, ALPHAS[0]) for r in results) / len(results) for name in names
    }
    told = ", ".join(
        f"{name} {share:.2f}"
        for name, share in sorted(caught.items(), key=lambda item: -item[1])
        if share >= 0.05
    )
    return f"| {label} | {n} / {m} | {len(results)} | {' | '.join(cells)} | {told or '–'} |"


def fired(result: DriftResult, name: str, alpha: float) -> bool:
    return any(
        s.signal == name
        and s.adjusted_p_value is not None
        and s.effect is not None
        and s.adjusted_p_value <= alpha
        and s.effect >= s.effect_floor
        for s in result.signals
    )


def drifted(result: DriftResult, alpha: float) -> bool:
    """The decision at another level: the adjusted p-values and floors do not depend on alpha."""
    return any(fired(result, signal.signal, alpha) for signal in result.signals)


# ------------------------------------------------------------------------------ tables

HEAD = [
    "| traffic | reference / window | windows | drift at .01 | drift at .05 | signals at .01 |",
    "|---|---|---|---|---|---|",
]
CHANGES = {
    "answers 30 % longer": Change(longer=1.3),
    "20 % on one new topic": Change(new_topic=0.2),
    "40 % on one new topic": Change(new_topic=0.4),
    "20 % scattered new prompts": Change(scattered=0.2),
    "less grounded (+1 logit)": Change(less_grounded=1.0),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to run."""

    quiet_sizes: tuple[tuple[int, int], ...] = ((60, 60), (100, 100), (300, 100), (300, 300))
    quiet_trials: int = 1000
    power_sizes: tuple[tuple[int, int], ...] = ((120, 60), (300, 100))
    power_trials: int = 100
    permutations: int = 1999


QUICK = Plan(((60, 60),), 8, ((60, 60),), 2, 999)


def synthetic_lines(plan: Plan, seed: int) -> Iterator[str]:
    def line(label: str, change: Change, n: int, m: int, trials: int) -> str:
        found = windows(synthetic(change), n, m, trials, plan.permutations, seed)
        return row(label, n, m, list(found))

    for n, m in plan.quiet_sizes:
        yield line("no change", Change(), n, m, plan.quiet_trials)
    n, m = plan.quiet_sizes[-1]
    yield line(f"no change, bursts of {BURST}", Change(burst=BURST), n, m, plan.quiet_trials // 4)
    for label, change in CHANGES.items():
        for n, m in plan.power_sizes:
            yield line(label, change, n, m, plan.power_trials)


def recorded_lines(recorded: Recorded, plan: Plan, seed: int) -> Iterator[str]:
    for label, kind in recorded.kinds().items():
        for n, m in plan.power_sizes:
            trials = plan.quiet_trials if kind.quiet else plan.power_trials
            found = windows(recorded.draw(kind), n, m, trials, plan.permutations, seed)
            yield row(label, n, m, list(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="a few trials only")
    parser.add_argument("--ragtruth", type=Path, help="ragtruth_qa.jsonl.gz, for recorded traffic")
    parser.add_argument("--trials", type=int, help="windows without a change, a row")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    plan = QUICK if options.quick else Plan()
    if options.trials:
        plan = replace(plan, quiet_trials=options.trials)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print("\n".join(HEAD), flush=True)
    lines = (
        recorded_lines(read_recorded(options.ragtruth), plan, options.seed)
        if options.ragtruth
        else synthetic_lines(plan, options.seed)
    )
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    main()
