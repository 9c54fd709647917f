"""A sequence classifier of transformers as a judge: `hf:org/name`, `pypi:package` or a folder.

Long texts are cut into chunks of the model's length that overlap by a quarter; the highest chunk
counts and is marked. Which of its labels mean harm is read from their names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from driftline.metrics.errors import ModelUnsuitable
from driftline.metrics.metric import METRIC_SET_VERSION
from driftline.metrics.models import ResolvedModel
from driftline.sdk.records import TextSpan

from .judges import Judge, Reading

THRESHOLD = 0.5  # the model's own decision; nothing here knows a better one
MAX_TOKENS = 512
BATCH_CHUNKS = 16
HARMLESS = re.compile(
    r"(?i)^(?:(?:not?|non)[-_ ]?\w+|safe|benign|clean|neutral|normal|legit(?:imate)?|harmless|ok"
    r"|neither|ham|label[-_ ]?0|0|false|negative|nothate)$"
)


@dataclass(frozen=True, slots=True)
class Classifier:
    """A loaded model. `harmful` are the indices of the labels that mean harm."""

    model: Any
    tokenizer: Any
    harmful: tuple[int, ...]
    independent: bool  # each label has its own probability (sigmoid), or they share one (softmax)
    device: str

    def read(self, text: str) -> Reading:
        """The probability of the worst chunk, and where it is."""
        chunks = self.tokenizer(
            text.encode("utf-8", "replace").decode(),
            truncation=True,
            max_length=self.length,
            stride=self.length // 4,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            padding=True,
            return_tensors="pt",
        )
        ids, mask = chunks["input_ids"], chunks["attention_mask"]
        chances = [
            chance
            for at in range(0, len(ids), BATCH_CHUNKS)
            for chance in self._chances(ids[at : at + BATCH_CHUNKS], mask[at : at + BATCH_CHUNKS])
        ]
        best = max(range(len(chances)), key=chances.__getitem__)
        offsets = chunks["offset_mapping"][best][mask[best].bool()]
        used = offsets[offsets[:, 1] > offsets[:, 0]]
        if chances[best] < THRESHOLD or not len(used):
            return Reading(chances[best], chances[best] >= THRESHOLD)
        start, end = int(used[0, 0]), int(used[-1, 1])
        return Reading(chances[best], True, (TextSpan(start, end, chances[best], "evidence"),))

    @property
    def length(self) -> int:
        """Tokens a chunk, special ones included."""
        own = getattr(self.model.config, "max_position_embeddings", MAX_TOKENS)
        return max(8, min(MAX_TOKENS, int(self.tokenizer.model_max_length), int(own) - 2))

    def _chances(self, ids: torch.Tensor, mask: torch.Tensor) -> list[float]:
        with torch.inference_mode():
            found = self.model(
                input_ids=ids.to(self.device), attention_mask=mask.to(self.device)
            ).logits.float()
        chosen = list(self.harmful)
        if self.independent:
            return [float(chance) for chance in found.sigmoid()[:, chosen].amax(dim=1)]
        return [float(chance) for chance in found.softmax(dim=-1)[:, chosen].sum(dim=1)]


def load_judge(found: ResolvedModel, device: str = "cpu") -> Judge:
    """The model as a judge. Raises ModelUnsuitable when it is no classifier of harm."""
    try:
        model = AutoModelForSequenceClassification.from_pretrained(found.path)
        tokenizer = AutoTokenizer.from_pretrained(found.path, use_fast=True)
    except (OSError, ValueError, KeyError) as error:
        raise ModelUnsuitable(f"{found.ref} is no sequence classifier: {error}") from error
    config = model.config
    independent = config.problem_type == "multi_label_classification" or config.num_labels == 1
    harmful = harmful_labels(config.id2label, found.ref, independent)
    classifier = Classifier(model.to(device).eval(), tokenizer, harmful, independent, device)
    version = f"{METRIC_SET_VERSION}+{found.sha256[:12]}"
    return Judge(
        classifier.read,
        name=found.label,
        source=f"{found.ref} (transformers)",
        version=version,
        lies="measure the model on labelled rows of your own",
        cost="a language model pass",
    )


def harmful_labels(names: dict[int, str], ref: str, independent: bool) -> tuple[int, ...]:
    """All labels but those whose name says harmless."""
    if len(names) == 1:
        return (0,)
    harmless = {index for index, name in names.items() if HARMLESS.match(name)}
    harmful = tuple(sorted(set(names) - harmless))
    if not harmful or not (harmless or independent):
        raise ModelUnsuitable(
            f"{ref}: no telling which of its labels mean harm ({', '.join(names.values())}); "
            "name the harmless one `safe` in the id2label of its config.json"
        )
    return harmful
