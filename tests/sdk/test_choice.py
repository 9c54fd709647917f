"""Which metrics are on: defaults, plus and minus a project's choice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftline.sdk.choice import is_on, range_words, turned, unknown
from driftline.sdk.records import MetricCard, ProjectSettings


def card(name: str, default: bool) -> MetricCard:
    return MetricCard(
        name=name, title="T", group="G", package="p", formula="f", source="s", needs="response",
        low=None, high=None, unit="1", lies="l", cost="c", version="1", default=default,
    )  # fmt: skip


CARDS = [card("usual", True), card("common", True), card("rare", False)]
NAMES = st.lists(st.sampled_from(["usual", "common", "rare"]))


def on(settings: ProjectSettings) -> set[str]:
    chosen = settings.metrics_on, settings.metrics_off
    return {one.name for one in CARDS if is_on(one.name, one.default, *chosen)}


def test_without_a_choice_the_defaults_are_on() -> None:
    assert on(ProjectSettings()) == {"usual", "common"}


@given(st.lists(st.tuples(NAMES, st.booleans())))
def test_what_was_turned_last_is_how_it_is_and_the_rest_stays(
    turns: list[tuple[list[str], bool]],
) -> None:
    settings, expected = ProjectSettings(), {"usual", "common"}
    for names, wanted in turns:
        settings = turned(settings, CARDS, names, wanted)
        expected = expected | set(names) if wanted else expected - set(names)
        assert on(settings) == expected
        assert not set(settings.metrics_on) & set(settings.metrics_off)


def test_a_choice_that_is_the_default_is_not_stored() -> None:
    """So that a later default holds for whoever did not mean otherwise."""
    settings = turned(ProjectSettings(), CARDS, ["usual", "rare"], True)
    assert (settings.metrics_on, settings.metrics_off) == (["rare"], [])
    settings = turned(settings, CARDS, ["usual", "rare"], False)
    assert (settings.metrics_on, settings.metrics_off) == ([], ["usual"])


def test_other_settings_and_names_of_absent_workers_are_kept() -> None:
    before = ProjectSettings(retention_days=9, metrics_on=["of_a_worker_that_is_away"])
    after = turned(before, CARDS, ["rare"], True)
    assert after.retention_days == 9
    assert after.metrics_on == ["of_a_worker_that_is_away", "rare"]


def test_an_unknown_name_is_an_error_that_says_what_is_near() -> None:
    with pytest.raises(KeyError, match="did you mean usual"):
        turned(ProjectSettings(), CARDS, ["usuall"], True)
    assert unknown("quite_different", ["usual"]) == "there is no metric 'quite_different'"


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(None, None, "any number"), (0.0, None, "≥ 0"), (None, 121.22, "≤ 121.22"), (0, 1, "0 to 1")],
)
def test_a_range_in_words(low: float | None, high: float | None, words: str) -> None:
    assert range_words(low, high) == words
