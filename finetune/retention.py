"""Is the model still itself? Its answers to everyday prompts, before and after.

Perplexity cannot tell: a model that answers "PHISH" to "How do I boil an egg?" had the best
perplexity of all candidates, on the task and on general text. What gives it away is how it answers
questions that have nothing to do with the task: too short, all the same, in the task's own words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from driftline.sdk.records import GateCheck

from .duplicates import words

PROMPTS = (
    "How do I boil an egg?",
    "Write two sentences about the sea.",
    "What is the capital of France?",
    "Give me three tips for sleeping better.",
    "Explain to a child why the sky is blue.",
    "Suggest a name for a friendly robot and say why.",
    "What should I pack for a weekend in the mountains?",
    "Write a short thank-you note to a colleague.",
    "How can I learn to play the guitar?",
    "What is the difference between a cat and a dog?",
    "Tell me a short story about a lost umbrella.",
    "How do plants make their food?",
)
MAX_NEW_TOKENS = 48

MIN_LENGTH_RATIO, MAX_LENGTH_RATIO = 0.5, 2.0
MAX_SAME_SHARE = 0.34
MAX_MORE_LEAKS = 0.1
MAX_MORE_REPETITION = 0.25
PHRASE_WORDS = 4
TYPICAL_SHARE = 0.08  # a phrase is typical when so many of the training answers hold it,
TYPICAL_COUNT = 3  # and at least so many
REPEATED_WORDS = 3

Phrase = tuple[str, ...]


def retention_checks(
    before: Sequence[str], after: Sequence[str], typical: set[Phrase]
) -> list[GateCheck]:
    """All hard. `before` and `after` are the answers to the same prompts."""
    return [
        length_check(before, after),
        collapse_check(before, after),
        leakage_check(before, after, typical),
        repetition_check(before, after),
    ]


def length_check(before: Sequence[str], after: Sequence[str]) -> GateCheck:
    base, tuned = mean_words(before), mean_words(after)
    ratio = tuned / base if base else None
    passed = ratio is not None and MIN_LENGTH_RATIO <= ratio <= MAX_LENGTH_RATIO
    said = (
        f"everyday answers are {tuned:.0f} words long, {base:.0f} before (ratio {ratio:.2f}, "
        f"wanted {MIN_LENGTH_RATIO} to {MAX_LENGTH_RATIO:.0f})"
        if ratio is not None
        else "the base model gave no words to compare with"
    )
    limit = MIN_LENGTH_RATIO if ratio is None or ratio < 1 else MAX_LENGTH_RATIO
    return GateCheck("retention_length", passed, True, ratio, 1.0, limit, said)


def collapse_check(before: Sequence[str], after: Sequence[str]) -> GateCheck:
    base, tuned = same_share(before), same_share(after)
    passed = tuned <= MAX_SAME_SHARE
    said = (
        f"the most common everyday answer is {tuned:.0%} of all, {base:.0%} before "
        f"(at most {MAX_SAME_SHARE:.0%})"
    )
    return GateCheck("retention_collapse", passed, True, tuned, base, MAX_SAME_SHARE, said)


def leakage_check(before: Sequence[str], after: Sequence[str], typical: set[Phrase]) -> GateCheck:
    base, tuned = phrase_share(before, typical), phrase_share(after, typical)
    limit = base + MAX_MORE_LEAKS
    said = (
        f"{tuned:.0%} of the everyday answers hold phrases typical of the training answers, "
        f"{base:.0%} before (at most {limit:.0%})"
    )
    return GateCheck("retention_leakage", tuned <= limit, True, tuned, base, limit, said)


def repetition_check(before: Sequence[str], after: Sequence[str]) -> GateCheck:
    base, tuned = repetition(before), repetition(after)
    limit = base + MAX_MORE_REPETITION
    said = (
        f"{tuned:.0%} of the word runs in an everyday answer repeat an earlier one, {base:.0%} "
        f"before (at most {limit:.0%})"
    )
    return GateCheck("retention_repetition", tuned <= limit, True, tuned, base, limit, said)


def mean_words(answers: Sequence[str]) -> float:
    return sum(len(words(answer)) for answer in answers) / len(answers)


def same_share(answers: Sequence[str]) -> float:
    """How much of all answers the most common one is."""
    counts = Counter(" ".join(words(answer)) for answer in answers)
    return max(counts.values()) / len(answers)


def typical_phrases(completions: Iterable[str]) -> set[Phrase]:
    """Phrases of PHRASE_WORDS words that many training answers share.

    An answer shorter than that counts as one phrase: a label like "PHISH" is found as well.
    """
    counts: Counter[Phrase] = Counter()
    total = 0
    for completion in completions:
        counts.update(phrases(completion))
        total += 1
    least = max(TYPICAL_COUNT, TYPICAL_SHARE * total)
    return {phrase for phrase, count in counts.items() if count >= least}


def phrases(text: str) -> set[Phrase]:
    tokens = words(text)
    return set(runs(tokens, min(PHRASE_WORDS, len(tokens))))


def phrase_share(answers: Sequence[str], typical: set[Phrase]) -> float:
    """The share of answers that hold at least one of the phrases."""
    sizes = {len(phrase) for phrase in typical}
    held = [any(typical & set(runs(words(answer), size)) for size in sizes) for answer in answers]
    return sum(held) / len(answers)


def repetition(answers: Sequence[str]) -> float:
    """The mean share of runs of REPEATED_WORDS words that came before in the same answer."""
    shares = []
    for answer in answers:
        found = runs(words(answer), REPEATED_WORDS)
        shares.append(1 - len(set(found)) / len(found) if found else 0.0)
    return sum(shares) / len(shares)


def runs(tokens: Sequence[str], size: int) -> list[Phrase]:
    """All runs of `size` words; none when there are fewer words, or `size` is 0."""
    if size == 0:
        return []
    return [tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)]
