"""A classifier of entailment from a folder: a tiny real one, made here."""

from pathlib import Path

import pytest

from driftline.metrics.entailment import Entailment, class_of
from driftline.metrics.errors import ModelUnsuitable
from driftline.metrics.models import resolve

torch = pytest.importorskip("torch")
LABELS = {0: "contradiction", 1: "entailment", 2: "neutral"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A BERT of two thousand weights that finds everything to be class 1."""
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "paris", "london"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        num_labels=3,
        id2label=LABELS,
    )
    model = BertForSequenceClassification(config)
    with torch.no_grad():
        model.classifier.bias[:] = torch.tensor([0.0, 50.0, 0.0])
    model.save_pretrained(tmp_path)
    return tmp_path


def test_the_likeliest_class_decides(folder: Path) -> None:
    entails = Entailment(resolve(str(folder)))
    assert entails("Paris", "London \ud800") is True
    assert entails.contradiction("Paris", "London") < 0.01


def test_a_model_without_that_class_is_refused() -> None:
    assert class_of("contradiction", LABELS, "x") == 0
    with pytest.raises(ModelUnsuitable, match="no class named entailment: LABEL_0, LABEL_1"):
        class_of("entailment", {0: "LABEL_0", 1: "LABEL_1"}, "x")


def test_a_folder_that_is_no_classifier_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "nothing-known"}')
    with pytest.raises(ModelUnsuitable, match="no classifier of pairs"):
        Entailment(resolve(str(folder)))
