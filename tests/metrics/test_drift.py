"""The decision about a window, from features to words."""

import dataclasses
import time

import numpy as np
import pytest
from scipy import stats

from driftline.metrics.drift import evaluate
from driftline.metrics.features import Features
from driftline.metrics.findings import p_words
from driftline.metrics.projection import principal_axes
from driftline.sdk.records import DriftResult, DriftTask, SignalResult, WindowRef

NOBODY = WindowRef("", "", "", [])
TASK = DriftTask("w1", NOBODY, NOBODY, alpha=0.01, permutations=999, seed=11)
SCORES = (
    "response_length",
    "prompt_length",
    "response_bits_per_byte",
    "hallucination",
    "response_type_token_ratio",
)


def traffic(seed: int, n: int, *, longer: float = 1.0, topic: float = 0.0, d: int = 16) -> Features:
    """n events; `longer` answers, a share `topic` of the prompts on one place of their own."""
    rng = np.random.default_rng(seed)
    prompt = rng.normal(size=(n, d))
    prompt[: round(topic * n)] = 4.0 + 0.1 * rng.normal(size=(round(topic * n), d))
    response = prompt + rng.normal(size=(n, d))
    scores = {name: rng.lognormal(size=n) for name in SCORES}
    scores["response_length"] = np.floor(longer * 700 * rng.lognormal(0.0, 0.5, size=n))
    ids = [f"s{seed}-{index}" for index in range(n)]
    return Features(ids, prompt.astype(np.float32), response.astype(np.float32), scores)


def signal(result: DriftResult, name: str) -> SignalResult:
    return next(found for found in result.signals if found.signal == name)


def test_equal_traffic_is_stable_and_says_so() -> None:
    result = evaluate(TASK, traffic(1, 100), traffic(2, 60))
    assert result.decision == "stable"
    assert result.summary.startswith("No drift: 60 events compared with 100, 8 signals tested")
    assert not any(found.drifted or found.examples for found in result.signals)
    assert "no change shown" in signal(result, "response_length").words


def test_every_signal_is_reported_with_its_sides_and_floor() -> None:
    result = evaluate(TASK, traffic(1, 100), traffic(2, 60))
    assert [found.signal for found in result.signals] == [
        "prompt_embedding", "response_embedding", "prompt_novelty", *SCORES,
    ]  # fmt: skip
    for found in result.signals:
        assert (found.n_reference, found.n_current) == (100, 60)
        assert found.p_value is not None and found.adjusted_p_value is not None
        assert 0.0 < found.p_value <= found.adjusted_p_value <= 1.0
        assert found.effect_floor > 0.0


def test_longer_answers_are_drift_in_words_with_the_longest_as_examples() -> None:
    current = traffic(2, 100, longer=2.0)
    result = evaluate(TASK, traffic(1, 200), current)
    found = signal(result, "response_length")
    assert result.decision == "drift"
    assert found.drifted and found.effect is not None and found.effect > found.effect_floor
    assert found.words.startswith("Answers got longer: median 1,")
    assert "(KS D=0." in found.words and "adjusted p<0.0001)" in found.words
    assert found.words in result.summary
    longest = np.argsort(-current.score("response_length"), kind="stable")[:5]
    assert found.examples == [current.event_ids[row] for row in longest]


def test_shorter_answers_are_called_shorter() -> None:
    result = evaluate(TASK, traffic(1, 200, longer=2.0), traffic(2, 100))
    assert "Answers got shorter" in result.summary


def test_a_new_topic_moves_the_prompts_and_its_events_are_the_examples() -> None:
    result = evaluate(TASK, traffic(1, 200), traffic(2, 100, topic=0.2))
    for name in ("prompt_embedding", "prompt_novelty"):
        found = signal(result, name)
        assert found.drifted, found.words
        assert {int(event.split("-")[1]) for event in found.examples} <= set(range(20))
    assert not signal(result, "response_length").drifted


def test_a_significant_change_below_the_floor_is_not_drift() -> None:
    """3,000 events show a shift of the answers' length that nobody would care about."""
    reference, current = traffic(1, 3000), traffic(2, 3000, longer=1.06)
    scalar = dataclasses.replace
    reference = scalar(
        reference, prompt=reference.prompt[:, :0], response=reference.response[:, :0]
    )
    current = scalar(current, prompt=current.prompt[:, :0], response=current.response[:, :0])
    found = signal(evaluate(TASK, reference, current), "response_length")
    assert found.adjusted_p_value is not None and found.adjusted_p_value <= TASK.alpha
    assert found.effect is not None and found.effect < found.effect_floor
    assert not found.drifted
    assert "too small to matter" in found.words


@pytest.mark.parametrize(("n", "m"), [(29, 60), (100, 29), (0, 0), (100, 0)])
def test_too_few_events_are_not_judged(n: int, m: int) -> None:
    result = evaluate(TASK, traffic(1, n), traffic(2, m))
    assert result.decision == "not_enough_data"
    assert result.summary.startswith(f"Not enough data: {n} reference and {m} current events")
    assert all(found.p_value is None and not found.drifted for found in result.signals)
    assert "30 are needed on each side" in result.signals[0].words


def test_signals_without_data_are_left_out_and_the_others_still_tested() -> None:
    reference, current = traffic(1, 100), traffic(2, 100, longer=3.0)
    for features in (reference, current):
        features.prompt[:80] = np.nan
        features.scores["hallucination"][:] = np.nan
        del features.scores["response_bits_per_byte"]
    result = evaluate(TASK, reference, current)
    for name in ("prompt_embedding", "prompt_novelty", "hallucination", "response_bits_per_byte"):
        assert signal(result, name).p_value is None
    assert signal(result, "response_length").drifted
    assert len({point.event_id for point in result.map}) == len(result.map)


def test_embeddings_of_two_models_are_not_compared() -> None:
    result = evaluate(TASK, traffic(1, 60, d=16), traffic(2, 60, d=8))
    found = signal(result, "prompt_embedding")
    assert found.p_value is None
    assert "16 and 8 dimensions" in found.words
    assert result.map == []


def test_the_same_task_gives_the_same_result_and_another_seed_another() -> None:
    reference, current = traffic(1, 80), traffic(2, 60, topic=0.1)
    first = evaluate(TASK, reference, current)
    assert evaluate(TASK, reference, current) == first
    other = evaluate(dataclasses.replace(TASK, seed=12), reference, current)
    assert other.signals != first.signals
    assert evaluate(dataclasses.replace(TASK, seed=-(2**70)), reference, current)


def test_the_map_shows_both_sides_once_on_axes_of_the_reference() -> None:
    reference, current = traffic(1, 500), traffic(2, 300, topic=0.3)
    points = evaluate(TASK, reference, current).map
    assert len(points) == 400
    assert sum(point.side == "reference" for point in points) == 200
    x = {
        side: np.mean([p.x for p in points if p.side == side]) for side in ("reference", "current")
    }
    assert abs(x["reference"]) < 0.3
    assert {point.label for point in points} <= {"prompt", "response"}


def test_the_axes_do_not_flip_when_the_data_is_mirrored_in_order() -> None:
    rows = traffic(1, 50).prompt
    centre, axes = principal_axes(rows)
    again, same = principal_axes(rows[::-1])
    np.testing.assert_allclose(centre, again, atol=1e-6)
    np.testing.assert_allclose(axes, same, atol=1e-4)
    np.testing.assert_allclose(axes.T @ axes, np.eye(2), atol=1e-6)


def test_windows_without_a_change_are_called_drift_no_more_often_than_alpha() -> None:
    """120 windows at 0.05, 8 dependent tests corrected: within binomial's bound."""
    task = dataclasses.replace(TASK, alpha=0.05, permutations=399)
    alarms = sum(
        evaluate(
            dataclasses.replace(task, seed=s), traffic(2 * s, 40), traffic(2 * s + 1, 40)
        ).decision
        == "drift"
        for s in range(120)
    )
    assert alarms <= stats.binom.ppf(1 - 1e-4, 120, 0.05)


def test_a_default_window_is_evaluated_in_seconds() -> None:
    reference, current = traffic(1, 300, d=384), traffic(2, 100, d=384)
    started = time.process_time()
    evaluate(dataclasses.replace(TASK, permutations=4999), reference, current)
    assert time.process_time() - started < 8.0


@pytest.mark.parametrize(
    ("p", "words"),
    [(1e-9, "p<0.0001"), (0.00034, "p=0.00034"), (0.0123, "p=0.012"), (1.0, "p=1.000")],
)
def test_p_values_are_written_for_people(p: float, words: str) -> None:
    assert p_words(p) == words
