"""The span tagger on real weights: what it reads, and that batches do not matter."""

from __future__ import annotations

from itertools import pairwise

import pytest

from driftline.metrics.hallucination import hallucination
from driftline.metrics.tagger import Tagger, tag
from driftline.metrics.tagging import MAX_PIECES, Kind, sequences

pytestmark = pytest.mark.model

CONTEXT = [
    "The Eiffel Tower is 330 metres tall. It stands in Paris and was finished in 1889.",
    "Tickets are sold at the entrance. Children under four enter free of charge.",
]
QUESTION = "How tall is the Eiffel Tower?"
TRUE = "The Eiffel Tower is 330 metres tall."
FALSE = "The Eiffel Tower is 330 metres tall. It was designed by Pablo Picasso in Barcelona."
HOSTILE = ["\ud800 lone", "שלום עולם", "🙂" * 300, "a" * 5000, "word " * 3000, ". . . !", "\x00"]


def test_a_word_of_the_answer_has_the_kind_of_what_the_sources_know(tagger: Tagger) -> None:
    answer = "The tower measures 331 metres in Paris."
    (one,) = sequences(tagger.tokenizer, QUESTION, CONTEXT, answer)
    kinds: dict[str, set[int]] = {}
    said = one.kinds[one.first : one.first + len(one.offsets)]
    for (start, end), kind in zip(one.offsets, said, strict=True):
        kinds.setdefault(answer[start:end], set()).add(kind)
    assert kinds["331"] == {Kind.NEW_FACT} and kinds["measures"] == {Kind.NEW_WORD}
    assert kinds["tower"] == {Kind.KNOWN} and kinds["in"] == {Kind.KNOWN}
    assert set(one.kinds[: one.first]) == {Kind.SOURCE}


@pytest.mark.parametrize("answer", [*HOSTILE, TRUE * 400, FALSE])
def test_sequences_fit_the_model_and_their_offsets_are_in_order(
    tagger: Tagger, answer: str
) -> None:
    made = sequences(tagger.tokenizer, QUESTION * 20, [*CONTEXT * 40, *HOSTILE], answer)
    offsets = [offset for one in made for offset in one.offsets]
    assert all(len(one.ids) == len(one.kinds) <= MAX_PIECES for one in made)
    assert all(0 <= start <= end <= len(answer) for start, end in offsets)
    assert all(a[0] <= b[0] for a, b in pairwise(offsets))


def test_of_a_long_context_the_sentences_about_the_answer_are_kept(tagger: Tagger) -> None:
    far = [f"Chapter {n} tells of rivers, hills and weather in other lands." for n in range(300)]
    (one,) = sequences(tagger.tokenizer, QUESTION, [*far, CONTEXT[0]], TRUE)
    assert "330 metres" in tagger.tokenizer.decode(one.ids[: one.first])


def test_a_context_without_full_stops_is_read_where_it_is_about_the_answer(tagger: Tagger) -> None:
    rows = "; ".join(f"tower {n} in town {n}, {n} metres" for n in range(100, 300))
    table = f"{rows}; the Eiffel Tower in Paris, 330 metres tall; {rows}"
    (one,) = sequences(tagger.tokenizer, QUESTION, [table], TRUE)
    assert "330 metres" in tagger.tokenizer.decode(one.ids[: one.first])
    assert len(one.ids) <= MAX_PIECES


def test_what_is_said_of_an_answer_does_not_depend_on_its_batch(tagger: Tagger) -> None:
    asked = [(QUESTION, CONTEXT, answer) for answer in (TRUE, FALSE, TRUE * 60, "Yes.", "")]
    alone = [tag(tagger, [one])[0] for one in asked]
    together = tag(tagger, asked)
    for single, batched in zip(alone, together, strict=True):
        assert single.offsets == batched.offsets
        assert single.logits == pytest.approx(batched.logits, abs=1e-4)
    assert together[-1].logits == ()


def test_an_invention_is_likelier_a_hallucination_than_the_truth_and_is_marked(
    tagger: Tagger,
) -> None:
    true, false = (
        hallucination(QUESTION, CONTEXT, answer, tag(tagger, [(QUESTION, CONTEXT, answer)])[0])
        for answer in (TRUE, FALSE)
    )
    assert true.probability is not None and false.probability is not None
    assert false.probability > true.probability + 0.2
    marked = " ".join(FALSE[span.start : span.end] for span in false.sentences)
    assert "Picasso" in marked and "330" not in marked


def test_between_batches_the_work_may_be_stopped(tagger: Tagger) -> None:
    class Stop(Exception):
        pass

    def check() -> None:
        raise Stop

    with pytest.raises(Stop):
        tag(tagger, [(QUESTION, CONTEXT, TRUE)], check)
