"""Does one text follow from another? A classifier of natural language inference, of the user's.

None ships. Any sequence classifier with a class named entailment drops in: `hf:NAME` or a folder.
"""

from __future__ import annotations

from .convert import go_offline
from .errors import ModelUnsuitable
from .models import ResolvedModel
from .text import well_formed

MAX_TOKENS = 512


class Entailment:
    """One classifier; called with a premise and a hypothesis."""

    def __init__(self, model: ResolvedModel, device: str = "cpu") -> None:
        """Weights from `model.path`, offline. Raises ModelUnsuitable."""
        go_offline()
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        try:
            loaded = AutoModelForSequenceClassification.from_pretrained(model.path)
            self._tokenizer = AutoTokenizer.from_pretrained(model.path)
        except (OSError, ValueError, KeyError) as error:
            raise ModelUnsuitable(f"{model.ref} is no classifier of pairs: {error}") from error
        self._model = loaded.to(device).eval()
        self._entailment = entailment_label(loaded.config.id2label, model.ref)

    def __call__(self, premise: str, hypothesis: str) -> bool:
        """Whether entailment is the likeliest of the classes."""
        import torch

        pair = self._tokenizer(
            well_formed(premise),
            well_formed(hypothesis),
            truncation=True,
            max_length=MAX_TOKENS,
            return_tensors="pt",
        ).to(self._model.device)
        with torch.inference_mode():
            logits = self._model(**pair).logits[0]
        return int(logits.argmax()) == self._entailment


def entailment_label(labels: dict[int, str], ref: str) -> int:
    """The class that means entailment. Raises ModelUnsuitable where none is called so."""
    found = [place for place, name in labels.items() if str(name).lower() == "entailment"]
    if len(found) != 1:
        raise ModelUnsuitable(f"{ref} has no class named entailment: {', '.join(labels.values())}")
    return int(found[0])
