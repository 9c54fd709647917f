"""The lexical hallucination detector."""

import gzip
import hashlib
import importlib.util
import json
import math
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.metrics.grounding import (
    ANSWER_FEATURES,
    FEATURES,
    answer_features,
    is_refusal,
    read_answer,
    sentence_features,
    sigmoid,
)
from driftline.metrics.hallucination import Grounding, hallucination, load_detector

ROOT = Path(__file__).parents[2]
EXTRACT = Path(__file__).parent / "data" / "ragtruth_test_extract.jsonl.gz"
STORED = ROOT / "metrics" / "data" / "hallucination.json"

QUESTION = "How long do I roast a 4 pound beef tip roast?"
CONTEXT = [
    "Heat the oven to 325 degrees F. Rub the beef tip roast with salt and pepper.",
    "Roast for 30 minutes per pound. Let the meat rest for 10 minutes before carving.",
]
GROUNDED = "Heat the oven to 325 degrees F. Roast the beef for 30 minutes per pound."
INVENTED = (
    " Marinate it overnight in Burgundy wine with juniper berries. "
    "Professor Klaus Weber of Heidelberg University recommends 17 hours at 450 degrees."
)
REFUSAL = "Unable to answer based on given passages."


def judged(answer: str, context: list[str] = CONTEXT) -> Grounding:
    return hallucination(QUESTION, context, answer)


def probability(answer: str) -> float:
    found = judged(answer).probability
    assert found is not None
    return found


def load(path: Path) -> ModuleType:
    """A script of the repository as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


# --------------------------------------------------------------------------- what it says


def test_an_invented_sentence_raises_the_probability_and_is_marked() -> None:
    found = judged(GROUNDED + INVENTED)
    assert found.probability is not None
    assert found.probability > 0.7 > probability(GROUNDED)
    marked = [(GROUNDED + INVENTED)[span.start : span.end] for span in found.sentences]
    assert any(text.startswith("Professor") for text in marked)
    assert not any(text.startswith(("Heat", "Roast")) for text in marked)


def test_a_marked_sentence_says_what_is_new_in_it() -> None:
    found = judged(GROUNDED + INVENTED)
    assert found.sentences[-1].label == "numbers not in the context"
    assert found.reason.startswith(f"{len(found.sentences)} of 4 sentences")
    assert 0.0 < found.sentences[-1].score <= 1.0


def test_the_context_in_other_forms_of_its_words_is_not_suspicious() -> None:
    found = judged("You should be roasting the beef 30 minutes a pound, then rest the roasts.")
    assert found.sentences == []
    assert found.novel_words == 0.0


def test_a_refusal_is_no_hallucination() -> None:
    found = judged(REFUSAL)
    assert found.probability is not None and found.probability < 0.3
    assert found.sentences == []
    framing = load_detector().framing
    assert is_refusal(read_answer("", CONTEXT, REFUSAL).facts[0], framing)
    invented = "It is unable to provide Burgundy wine with juniper berries from Heidelberg."
    assert not is_refusal(read_answer("", CONTEXT, invented).facts[0], framing)


def test_novel_words_are_the_share_of_content_words_without_a_source() -> None:
    assert judged("Roast bananas").novel_words == 0.5


def test_the_question_counts_as_known() -> None:
    assert judged("beef tip roast of 4 pounds").novel_words == 0.0


# ------------------------------------------------------------------------- what it cannot say


@pytest.mark.parametrize("context", [[], [""], ["  \n"]], ids=repr)
def test_without_context_there_is_no_probability(context: list[str]) -> None:
    assert judged(GROUNDED, context) == Grounding(None, "no context", [], None)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "no answer"),
        (" \n ", "no answer"),
        ("🙂🙂 !!!", "the answer holds no words to check"),
        ("x" * 100_001, "the answer is longer than 100,000 characters"),
        ("Beef.\n" * 1001, "the answer has more than 1,000 sentences"),
    ],
    ids=["empty", "blank", "no words", "long", "many sentences"],
)
def test_an_answer_that_cannot_be_judged_gets_a_reason(answer: str, reason: str) -> None:
    found = judged(answer)
    assert found.probability is None
    assert found.reason == reason
    assert found.sentences == []


def test_a_language_other_than_english_gets_a_reason_and_not_a_guess() -> None:
    german = (
        "Heizen Sie den Backofen zunächst auf hundertsechzig Grad vor, reiben Sie "
        "anschließend das Fleisch sorgfältig mit Salz und Pfeffer ein und braten Sie es "
        "dreißig Minuten je Pfund."
    )
    chinese = "将烤箱预热至一百六十度，用盐和胡椒腌制牛肉，然后每磅烤三十分钟，切肉前静置十分钟。"
    for answer in (german, chinese):
        found = judged(answer)
        assert found.probability is None
        assert "English" in found.reason


def test_a_context_beyond_the_limit_gets_a_reason() -> None:
    assert judged(GROUNDED, ["word " * 100_000]).reason == (
        "the context is longer than 400,000 characters"
    )


# --------------------------------------------------------------------------------- laws


@settings(deadline=None, max_examples=60)
@given(st.text(), st.lists(st.text(), max_size=3), st.text())
def test_spans_slice_the_answer_and_numbers_are_in_range(
    question: str, context: list[str], answer: str
) -> None:
    found = hallucination(question, context, answer)
    assert found.probability is None or 0.0 < found.probability < 1.0
    assert found.novel_words is None or 0.0 <= found.novel_words <= 1.0
    assert found.reason
    end = 0
    for span in found.sentences:
        assert end <= span.start < span.end <= len(answer)
        assert answer[span.start : span.end].strip() == answer[span.start : span.end]
        assert 0.0 <= span.score <= 1.0
        end = span.end


@settings(deadline=None, max_examples=30)
@given(st.permutations(CONTEXT))
def test_the_order_of_the_passages_does_not_matter(context: list[str]) -> None:
    assert judged(GROUNDED + INVENTED, context) == judged(GROUNDED + INVENTED)


def test_more_context_never_makes_words_more_novel() -> None:
    answer = GROUNDED + INVENTED
    shares = [judged(answer, c).novel_words for c in (CONTEXT[:1], CONTEXT, [*CONTEXT, INVENTED])]
    assert shares == sorted(shares, reverse=True)  # type: ignore[type-var]
    assert shares[-1] == 0.0


def test_the_features_have_their_names_and_are_finite() -> None:
    detector = load_detector()
    facts = read_answer(QUESTION, CONTEXT, GROUNDED + INVENTED + REFUSAL).facts
    for fact in facts:
        values = sentence_features(fact, detector.framing)
        assert len(values) == len(FEATURES)
        assert all(map(math.isfinite, values))
    for logits in ([], [-800.0, 800.0], [0.0]):
        values = answer_features(facts, logits, detector.framing)
        assert len(values) == len(ANSWER_FEATURES)
        assert all(map(math.isfinite, values))


def test_the_sigmoid_does_not_overflow() -> None:
    assert sigmoid(0.0) == 0.5
    assert 0.0 <= sigmoid(-1e6) < 1e-200
    assert sigmoid(1e6) == 1.0


@pytest.mark.parametrize(
    "answer",
    [
        "\u202eمرحبا beef \u202c" * 4000,
        "👩‍👩‍👧 beef 🇩🇪 " * 6000,
        "beef " * 20_000,
        '"beef" ' * 14_000,
        "\ud800 x",
    ],
    ids=["right to left", "emoji", "one sentence", "quotations", "lone surrogate"],
)
def test_hostile_text_takes_bounded_time(answer: str) -> None:
    started = time.process_time()
    hallucination(answer, [answer * 4], answer[:100_000])
    assert time.process_time() - started < 20.0


def test_a_thousand_sentences_against_thousands_of_places_take_bounded_time() -> None:
    context = ["Beef is roasted here. " * 15_000]
    started = time.process_time()
    found = judged("Beef is roasted. " * 900, context)
    assert found.probability is not None
    assert time.process_time() - started < 20.0


# ---------------------------------------------------------------------- how good, how made


@pytest.mark.model
def test_on_human_labels_it_beats_length_and_the_share_of_novel_words() -> None:
    """56 answers of RAGTruth's test split; docs/hallucination.md has the whole split."""
    benchmark = load(ROOT / "benchmarks" / "hallucination_ragtruth.py")
    rows = benchmark.read_rows(EXTRACT, "test")
    labels = benchmark.np.array([float(bool(row.spans)) for row in rows])
    scores = benchmark.np.array([row.found.probability for row in rows])
    lengths = benchmark.np.array([float(len(row.answer)) for row in rows])
    assert benchmark.auroc(labels, scores) > 0.75
    assert benchmark.auroc(labels, scores) > benchmark.auroc(labels, lengths)
    assert benchmark.span_f1(rows, lambda row: row.found) > 0.35
    assert benchmark.span_f1(rows, lambda row: row.lexical) > 0.25


@pytest.mark.model
def test_the_benchmark_prints_the_detector_beside_the_rows_that_need_none() -> None:
    script = ROOT / "benchmarks" / "hallucination_ragtruth.py"
    command = [sys.executable, str(script), str(EXTRACT), "--draws", "50"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("n = 56 answers to 28 questions")
    for line in ("detector, frozen threshold", "length of the answer", "always positive", "ECE"):
        assert line in done.stdout


def test_training_is_repeatable_and_never_reads_the_test_split(tmp_path: Path) -> None:
    """On a file whose test rows are garbage: reading them would fail."""
    rows = [json.loads(line) for line in gzip.decompress(EXTRACT.read_bytes()).splitlines()]
    lines = [json.dumps(row | {"split": "train"}) for row in rows]
    source = tmp_path / "rows.jsonl.gz"
    source.write_bytes(gzip.compress("\n".join([*lines, '{"split": "test"}']).encode(), mtime=0))
    tool = load(ROOT / "tools" / "train_hallucination.py")
    answers = tool.read_answers(source, "train")
    assert len(answers) == len(rows)
    first, facts = tool.train(answers, seed=3)
    again, _ = tool.train(answers, seed=3)
    assert first == again
    assert facts["fitted_on"] + facts["validated_on"] == len(rows)
    fit, held = tool.divide(answers, 3)
    assert not {a.question_id for a in fit} & {a.question_id for a in held}
    stored = json.loads(tool.stored(first, facts, source, 3))
    assert stored["data_sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()


def test_the_shipped_numbers_fit_the_code() -> None:
    stored = json.loads(STORED.read_text("utf-8"))
    assert stored["sentence"]["names"] == list(FEATURES)
    assert stored["answer"]["names"] == list(ANSWER_FEATURES)
    assert 0.0 < stored["sentence_threshold"] < 1.0
    assert 0.0 < stored["answer_threshold"] < 1.0
