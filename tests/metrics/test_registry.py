"""The cards of the metrics."""

from pathlib import Path

import pytest

from driftline.metrics import text
from driftline.metrics.registry import CARDS, METRIC_SET_VERSION, METRICS, Card

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_names_are_unique() -> None:
    assert len(CARDS) == len(METRICS)


@pytest.mark.parametrize("card", METRICS, ids=lambda card: card.name)
def test_a_card_says_everything(card: Card) -> None:
    words = (card.title, card.formula, card.source, card.unit, card.lies, card.cost)
    assert all(words)
    assert card.version == METRIC_SET_VERSION
    assert card.low is None or card.high is None or card.low < card.high


@pytest.mark.parametrize("card", METRICS, ids=lambda card: card.name)
def test_the_documentation_has_a_card_of_each_metric(card: Card) -> None:
    assert f"`{card.name}`" in DOCUMENT.read_text("utf-8")


def test_every_descriptor_has_a_card() -> None:
    assert {f"response_{name}" for name in text.DESCRIPTORS} <= set(CARDS)
