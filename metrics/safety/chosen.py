"""The catalogue with the classifiers that an operator chose in place of those that ship.

driftline worker --toxicity-model hf:unitary/toxic-bert --injection-model ./my-classifier
"""

from __future__ import annotations

import dataclasses

from driftline.metrics.catalog import OWN_PACKAGE, Catalog, Entry
from driftline.metrics.metric import Metric
from driftline.metrics.models import Progress, resolve, silent

from .judged_metrics import injection_metrics, toxicity_metrics

GROUP = "Safety"


def with_models(
    catalog: Catalog,
    toxicity: str = "",
    injection: str = "",
    device: str = "cpu",
    progress: Progress = silent,
) -> Catalog:
    """The catalogue with these models, which are loaded now, under the same names; "" names none.

    Raises ModelMissing and ModelUnsuitable.
    """
    if not (toxicity or injection):
        return catalog
    from .transformer import load_judge  # only here is torch needed

    made: list[Metric] = []
    if toxicity:
        made += toxicity_metrics(load_judge(resolve(toxicity, progress), device))
    if injection:
        made += injection_metrics(load_judge(resolve(injection, progress), device))
    entries = {metric.card.name: Entry(metric.card, GROUP, OWN_PACKAGE, metric) for metric in made}
    return dataclasses.replace(catalog, entries={**catalog.entries, **entries})
