"""The signals that are tested on every window: which test, which floor, and how to say it.

A floor is the smallest effect worth waking someone for; docs/drift.md says what the effects are in
windows with and without a known change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from driftline.sdk.records import DriftTask

from .energy import energy_test, witness
from .features import Features, Vectors, present
from .findings import Finding
from .ks import KsTest, ks_test
from .novelty import NoveltyTest, novelty_test

MIN_EVENTS = 30  # on each side; below it the tests are valid but see nothing
MAX_EXAMPLES = 5

Field = Literal["prompt", "response"]
Look = Callable[[DriftTask, Features, Features], Finding]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A score tested with Kolmogorov-Smirnov, and what to call a change of it."""

    name: str
    subject: str
    up: str
    down: str
    unit: str
    digits: int


SCALARS = (
    Scalar(
        "response_length", "Answer length", "Answers got longer", "Answers got shorter",
        "characters", 0,
    ),
    Scalar(
        "prompt_length", "Prompt length", "Prompts got longer", "Prompts got shorter",
        "characters", 0,
    ),
    Scalar(
        "response_bits_per_byte", "Answer perplexity", "Answers got less predictable",
        "Answers got more predictable", "bits per byte", 3,
    ),
    Scalar(
        "hallucination", "Groundedness", "Answers look less grounded in their context",
        "Answers look better grounded in their context", "hallucination probability", 2,
    ),
    Scalar(
        "response_type_token_ratio", "Answer vocabulary", "Answers got more varied in wording",
        "Answers got more repetitive in wording", "type-token ratio", 3,
    ),
)  # fmt: skip

ENERGY_FLOOR = 0.002
NOVELTY_FLOOR = 0.05
KS_FLOOR = 0.1


def look_at_content(
    name: str,
    field: Field,
    subject: str,
    task: DriftTask,
    reference: Features,
    current: Features,
) -> Finding:
    """Energy distance between the two sides' vectors of `field`."""
    old, new, ids = _vectors(field, reference, current)
    blank = Finding(
        name, "energy distance", subject, "", "energy coefficient", ENERGY_FLOOR, len(old), len(new)
    )
    if problem := _problem(blank, old, new):
        return replace(blank, change=problem)
    found = energy_test(old, new, permutations=task.permutations, seed=_seed(task, name))
    return replace(
        blank,
        change=f"{subject} changed",
        measure=f"energy coefficient {found.effect:.3f}",
        statistic=found.statistic,
        p_value=found.p_value,
        effect=found.effect,
        reference_summary=found.within_x,
        current_summary=found.between,
        examples=_highest(witness(old, new), ids),
    )


def look_for_new_prompts(task: DriftTask, reference: Features, current: Features) -> Finding:
    """Nearest-neighbour novelty of the current prompts."""
    old, new, ids = _vectors("prompt", reference, current)
    unit = "share of new prompts, over the reference's"
    method, subject = "nearest-neighbour novelty", "New kinds of prompts"
    blank = Finding("prompt_novelty", method, subject, "", unit, NOVELTY_FLOOR, len(old), len(new))
    if problem := _problem(blank, old, new):
        return replace(blank, change=problem)
    found = novelty_test(old, new, seed=_seed(task, "prompt_novelty"))
    return replace(
        blank,
        change=_novelty_words(found, len(new)),
        measure=f"novelty {100 * (found.current_share - found.reference_share):+.0f} points",
        statistic=float(found.tail_rows),
        p_value=found.p_value,
        effect=found.current_share - found.reference_share,
        reference_summary=found.reference_share,
        current_summary=found.current_share,
        examples=_highest(found.current_scores, ids),
    )


def look_at_score(
    scalar: Scalar, task: DriftTask, reference: Features, current: Features
) -> Finding:
    """Kolmogorov-Smirnov on one score. `task` plays no part: nothing here is random."""
    old, _ = _numbers(scalar.name, reference)
    new, ids = _numbers(scalar.name, current)
    blank = Finding(
        scalar.name, "Kolmogorov-Smirnov", scalar.subject, "", "KS D", KS_FLOOR, len(old), len(new)
    )
    if problem := _problem(blank, old, new):
        return replace(blank, change=problem)
    found = ks_test(old, new)
    return replace(
        blank,
        change=_score_words(scalar, found),
        measure=f"KS D={found.statistic:.2f}",
        statistic=found.statistic,
        p_value=found.p_value,
        effect=found.statistic,
        reference_summary=found.reference_median,
        current_summary=found.current_median,
        examples=_highest(new if found.higher else -new, ids),
    )


SIGNALS: tuple[Look, ...] = (
    partial(look_at_content, "prompt_embedding", "prompt", "What the prompts are about"),
    partial(look_at_content, "response_embedding", "response", "What the answers say"),
    look_for_new_prompts,
    *(partial(look_at_score, scalar) for scalar in SCALARS),
)


# --------------------------------------------------------------------------- what is there


def _vectors(
    field: Field, reference: Features, current: Features
) -> tuple[Vectors, Vectors, list[str]]:
    """The usable vectors of both sides, and the event ids of the current ones."""
    old = reference.prompt if field == "prompt" else reference.response
    new = current.prompt if field == "prompt" else current.response
    kept = np.flatnonzero(present(new))
    return old[present(old)], new[kept], [current.event_ids[row] for row in kept]


def _numbers(name: str, features: Features) -> tuple[NDArray[np.float64], list[str]]:
    values = features.score(name)
    kept = np.flatnonzero(np.isfinite(values))
    return values[kept], [features.event_ids[row] for row in kept]


def _problem(blank: Finding, old: NDArray[np.floating], new: NDArray[np.floating]) -> str:
    """Why the test cannot be made, "" when it can."""
    if min(len(old), len(new)) < MIN_EVENTS:
        return (
            f"{blank.subject}: not enough data ({len(old)} reference and {len(new)} current "
            f"events have it, {MIN_EVENTS} are needed on each side)"
        )
    if old.shape[1:] != new.shape[1:]:
        return (
            f"{blank.subject}: the embeddings have {old.shape[1]} and {new.shape[1]} dimensions; "
            "was the embedding model changed? Learn a new reference"
        )
    return ""


def _seed(task: DriftTask, name: str) -> int:
    """A seed of its own for each signal: the same task gives the same result."""
    digest = hashlib.sha256(f"{task.seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def _highest(values: NDArray[np.float64], ids: list[str]) -> list[str]:
    """The events with the highest values, best first; NaN never."""
    order = np.argsort(-values, kind="stable")
    return [ids[row] for row in order[:MAX_EXAMPLES] if np.isfinite(values[row])]


# --------------------------------------------------------------------------- how to say it


def _novelty_words(found: NoveltyTest, n: int) -> str:
    counts = f"{found.tail_rows} of {n} ({found.current_share:.0%})"
    compared = f"against {found.reference_share:.0%} of the reference's own"
    if found.view == "far":
        return f"New kinds of prompts: {counts} are unlike any in the reference, {compared}"
    return (
        f"A new group of prompts: {counts} are alike among themselves where the reference "
        f"has few, {compared}"
    )


def _score_words(scalar: Scalar, found: KsTest) -> str:
    old = f"{found.reference_median:,.{scalar.digits}f}"
    new = f"{found.current_median:,.{scalar.digits}f}"
    moved = found.current_median - found.reference_median
    if old == new:
        return f"{scalar.subject} changed around the same median ({new} {scalar.unit})"
    return f"{scalar.up if moved > 0 else scalar.down}: median {new} {scalar.unit}, was {old}"
