"""The cards of what the worker's stages compute, and of the plain descriptors."""

from driftline.metrics import text
from driftline.metrics.catalog import built_in
from driftline.metrics.registry import STAGES, TEXT


def test_every_descriptor_has_a_card() -> None:
    assert {f"response_{name}" for name in text.DESCRIPTORS} <= {one.card.name for one in TEXT}


def test_all_of_them_are_in_the_catalogue_once() -> None:
    names = [card.name for cards in STAGES.values() for card in cards]
    names += [metric.card.name for metric in TEXT]
    assert len(names) == len(set(names))
    assert set(names) <= set(built_in().entries)
