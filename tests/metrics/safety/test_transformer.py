"""A transformers classifier in place of ours: a tiny one made here, loaded by the real library."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
)

from driftline.metrics.__main__ import chosen_catalog, parser
from driftline.metrics.catalog import built_in
from driftline.metrics.errors import ModelMissing, ModelUnsuitable
from driftline.metrics.models import resolve
from driftline.metrics.safety.chosen import with_models
from driftline.metrics.safety.judges import Judge
from driftline.metrics.safety.transformer import harmful_labels, load_judge

from .conftest import MakeEvent

WORDS = "you are kind awful the weather is fine today and tomorrow".split()  # noqa: SIM905
LENGTH = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("toxic"), {0: "neutral", 1: "toxic"})


def saved(into: Path, labels: dict[int, str], seed: int = 7) -> Path:
    """A randomly initialised BERT of two small layers that knows the WORDS, and its tokenizer."""
    vocabulary = {word: index for index, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])}
    vocabulary |= {word: index + 4 for index, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, special)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=LENGTH,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    ).save_pretrained(into)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.8,
        id2label=labels,
        label2id={name: index for index, name in labels.items()},
    )
    BertForSequenceClassification(config).save_pretrained(into)
    return into


@pytest.fixture(scope="module")
def judge(folder: Path) -> Judge:
    return load_judge(resolve(str(folder)))


def expected(folder: Path, text: str) -> float:
    """The plain way: one text, the model's own softmax."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    model = BertForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        return float(model(**tokenizer(text, return_tensors="pt")).logits.softmax(-1)[0, 1])


def test_a_short_text_has_the_probability_of_the_plain_model(folder: Path, judge: Judge) -> None:
    for text in ("you are awful", "the weather is fine today"):
        assert judge.read(text).probability == pytest.approx(expected(folder, text), abs=1e-5)


def test_of_a_long_text_the_worst_part_counts_and_is_marked(folder: Path, judge: Judge) -> None:
    texts = ["you are awful", "the weather is fine today", "and tomorrow is kind"]
    worst = max(texts, key=lambda text: expected(folder, text))
    calm = min(texts, key=lambda text: expected(folder, text))
    long = f"{calm} " * 20 + f"{worst} " * 20 + f"{calm} " * 20
    reading = judge.read(long)
    assert reading.probability > expected(folder, calm)
    for span in reading.evidence:
        assert 0 <= span.start < span.end <= len(long)
        assert long[span.start : span.end] == long[span.start : span.end].strip()


def test_symbols_that_no_tokenizer_knows(judge: Judge) -> None:
    for text in ("\ud800", "😀" * 100, "שלום", "."):
        assert 0.0 <= judge.read(text).probability <= 1.0


def test_the_worker_option_puts_the_model_in_the_catalogue(
    folder: Path, make_event: MakeEvent
) -> None:
    options = parser().parse_args(["--toxicity-model", str(folder), "--device", "cpu"])
    catalog = chosen_catalog(options)
    metric = catalog.metrics["response_toxicity"]
    value = metric(make_event(("user", "hello"), output="you are awful"))
    assert value.value == pytest.approx(expected(folder, "you are awful"), abs=1e-5)
    assert str(folder) in metric.card.source
    assert str(folder) in value.explanation


def test_a_model_replaces_the_one_that_ships_and_only_it(folder: Path) -> None:
    shipped = built_in()
    found = with_models(shipped, injection=str(folder))
    assert set(found.entries) == set(shipped.entries)
    for name in ("prompt_injection", "context_injection"):
        assert found.version(name) != shipped.version(name)
        assert found.entries[name].card.default
        assert found.entries[name].card.cost == "a language model pass"
    for name in ("prompt_toxicity", "response_toxicity"):
        assert found.entries[name] == shipped.entries[name]


def test_the_weights_are_part_of_the_version(folder: Path, tmp_path: Path) -> None:
    other = saved(tmp_path, {0: "neutral", 1: "toxic"}, seed=8)
    versions = {
        with_models(built_in(), toxicity=str(path)).version("prompt_toxicity")
        for path in (folder, other)
    }
    assert len(versions) == 2


def test_users_and_tools_are_judged_and_the_apps_own_instructions_are_not(
    folder: Path, make_event: MakeEvent
) -> None:
    metric = with_models(built_in(), injection=str(folder)).metrics["prompt_injection"]
    instructions, asked = "you are awful", "the weather is fine today"
    value = metric(make_event(("system", instructions), ("user", asked)))
    assert value.value == pytest.approx(expected(folder, asked), abs=1e-5)
    joined = f"{instructions}\n{asked}"
    for span in value.spans:
        assert joined[span.start : span.end] == asked


def test_of_the_documents_the_worst_counts_and_none_is_marked(
    folder: Path, make_event: MakeEvent
) -> None:
    metric = with_models(built_in(), injection=str(folder)).metrics["context_injection"]
    documents = ("you are awful", "the weather is fine today")
    value = metric(make_event(("user", "hello"), context=documents))
    worst = max(expected(folder, text) for text in documents)
    assert value.value == pytest.approx(worst, abs=1e-5)
    assert value.spans == ()
    assert metric(make_event(("user", "hello"))).value is None


def test_the_environment_names_a_model_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_INJECTION_MODEL", str(folder))
    catalog = chosen_catalog(parser().parse_args(["--device", "cpu"]))
    assert str(folder) in catalog.metrics["prompt_injection"].card.source


def test_without_options_nothing_is_replaced() -> None:
    catalog = built_in()
    assert with_models(catalog) is catalog


def test_a_model_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="no model at"):
        with_models(built_in(), toxicity=str(tmp_path / "none"))


def test_labels_that_do_not_say_what_they_mean_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnsuitable, match="name the harmless one"):
        load_judge(resolve(str(saved(tmp_path, {0: "red", 1: "blue"}))))


@pytest.mark.parametrize(
    ("names", "independent", "harmful"),
    [
        (["LABEL_0", "LABEL_1"], False, (1,)),
        (["INJECTION", "SAFE"], False, (0,)),
        (["not-hate", "hate", "offensive"], False, (1, 2)),
        (["toxic", "severe_toxic", "insult"], True, (0, 1, 2)),
        (["toxicity"], True, (0,)),
        (["BENIGN", "INJECTION", "JAILBREAK"], False, (1, 2)),
    ],
)
def test_which_labels_mean_harm(
    names: list[str], independent: bool, harmful: tuple[int, ...]
) -> None:
    assert harmful_labels(dict(enumerate(names)), "some model", independent) == harmful
