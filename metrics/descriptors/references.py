"""A response against the references of its event: metadata `reference`, a text or a JSON list.

Of several references the best counts, as each metric's own definition says. Off unless a project
asks for them: most traffic has no reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from driftline.metrics.metric import Metric, Value, metric
from driftline.sdk.records import Event

from .bleu import BLEU_SIGNATURE, CHRF_SIGNATURE, bleu_counts, chrf_counts
from .overlap import exact_match, rouge_l, token_f1
from .sides import NO_RESPONSE, text_of
from .terms import texts_in

MAX_REFERENCES = 16
MAX_CHARACTERS = 50_000  # of response and references together: a longest subsequence is quadratic

Compare = Callable[[str, Sequence[str]], Value]


def references_of(event: Event) -> list[str]:
    return texts_in(event.metadata.get("reference", ""))[:MAX_REFERENCES]


def against(compare: Compare, event: Event) -> Value:
    text, references = text_of(event, "response"), references_of(event)
    if text is None:
        return NO_RESPONSE
    if not references:
        return Value(None, "no `reference` in the event's metadata")
    if len(text) + sum(map(len, references)) > MAX_CHARACTERS:
        return Value(None, f"longer than {MAX_CHARACTERS:,} characters")
    return compare(text, references)


def bleu(text: str, references: Sequence[str]) -> Value:
    counts = bleu_counts(text, references)
    rows = zip(counts.matches, counts.ngrams, strict=True)
    stats = {"length": float(counts.length), "reference_length": float(counts.reference_length)}
    for order, (matches, ngrams) in enumerate(rows, 1):
        stats |= {f"matches_{order}": float(matches), f"ngrams_{order}": float(ngrams)}
    return Value(
        _bounded(counts.score()), label=BLEU_SIGNATURE.format(len(references)), stats=stats
    )


def chrf(text: str, references: Sequence[str]) -> Value:
    counts = chrf_counts(text, references)
    rows = zip(counts.ngrams, counts.reference_ngrams, counts.matches, strict=True)
    stats: dict[str, float] = {}
    for order, (own, other, matches) in enumerate(rows, 1):
        stats |= {
            f"ngrams_{order}": float(own),
            f"reference_ngrams_{order}": float(other),
            f"matches_{order}": float(matches),
        }
    return Value(
        _bounded(counts.score()), label=CHRF_SIGNATURE.format(len(references)), stats=stats
    )


def _bounded(score: float) -> float:
    return min(100.0, score)  # exp(log(100)) is a rounding error above


def _best(compare: Callable[[str, str], float]) -> Compare:
    return lambda text, references: Value(max(compare(text, other) for other in references))


def _reference_metric(
    name: str, title: str, compare: Compare, formula: str, source: str, lies: str, high: float
) -> Metric:
    @metric(
        name=f"response_{name}", title=title, formula=formula, source=source, lies=lies,
        needs="the whole event", low=0.0, high=high, cost="milliseconds", default=False,
    )  # fmt: skip
    def compute(event: Event) -> Value:
        return against(compare, event)

    return compute


_ONE_WORDING = "a right answer in other words scores low"
_SQUAD = "Rajpurkar et al. 2016 (SQuAD), arXiv 1606.05250; Unicode punctuation"

REFERENCES = (
    _reference_metric(
        "bleu", "BLEU", bleu, "sentence BLEU of sacrebleu 2 (tok 13a, smooth exp, effective order)",
        "Papineni et al. 2002; Post 2018, arXiv 1804.08771",
        f"on single texts it is noise: sum its stats over many; {_ONE_WORDING}", 100.0,
    ),
    _reference_metric(
        "chrf", "chrF", chrf, "chrF2 of sacrebleu 2 (6 characters, no words, no white space)",
        "Popović 2015, W15-3049; Post 2018, arXiv 1804.08771", _ONE_WORDING, 100.0,
    ),
    _reference_metric(
        "rouge_l", "ROUGE-L", _best(rouge_l), "F1 of the longest common subsequence of words, not "
        "stemmed, over the whole text", "Lin 2004, W04-1013", _ONE_WORDING, 1.0,
    ),
    _reference_metric(
        "exact_match", "Exact match", _best(exact_match), "1 if the words are equal without case, "
        "punctuation, symbols and a, an, the", _SQUAD, _ONE_WORDING, 1.0,
    ),
    _reference_metric(
        "token_f1", "Token F1", _best(token_f1), "F1 of the words without case, punctuation, "
        "symbols and a, an, the", _SQUAD, "the order of the words does not count", 1.0,
    ),
)  # fmt: skip
