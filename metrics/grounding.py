"""How well each sentence of an answer is covered by its context, as numbers for a classifier.

Everything is lexical: which content words, numbers, names, quotations and links of the sentence no
source holds, and how much of it a single place of the sources covers. Pure, linear in the texts but
for the coverage, which is bounded by novel_words.MAX_PLACES x sentences.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .novel_words import Sources, Token, has_quotation, novel_quotations, read_sources, tokens
from .sentences import Sentence, sentences

TALKS_OF_SOURCES = re.compile(
    r"\b(?:passages?|provided|question|sources?|documents?|text|context|information given)\b", re.I
)
REFUSES = re.compile(
    r"unable to (?:answer|determine|provide|give|find)"
    r"|(?:cannot|can't|could not|couldn't|not able to) (?:be )?(?:answer|determin|provid|find)"
    r"|(?:do|does|did)(?: not|n't) (?:contain|provide|mention|include|specify|state|give|have)"
    r"|(?:is|are)(?: not|n't) (?:mentioned|provided|specified|stated|given|included|clear)"
    r"|\bno (?:information|mention)|(?:not enough|insufficient) information",
    re.I,
)
DENIES = re.compile(r"\b(?:no|not|never|none|without|cannot)\b|n['’]t\b", re.I)

FEATURES = (
    "novel words, log",
    "novel share",
    "novel framing words, log",
    "content words, log",
    "novel numbers",
    "novel names",
    "novel quotations and links",
    "novel pairs, share",
    "not covered by one place",
    "talks of sources",
    "refuses",
    "denies",
    "position",
    "last",
    "first",
    "longest novel run, log",
    "refuses x novel words",
    "talks of sources x novel words",
    "not covered x content words",
)
ANSWER_FEATURES = (
    "any sentence, log odds",
    "worst sentence, logit",
    "worst three, mean logit",
    "expected sentences, log",
    "content words, log",
    "novel words, log",
    "novel share",
    "sentences, log",
    "refusing share",
    "mean sentence probability",
)
NO_SENTENCE_LOGIT = -5.0  # of a sentence that refuses: it claims nothing


@dataclass(frozen=True, slots=True)
class Facts:
    """One sentence of an answer against the sources; they know none of the `novel` words."""

    sentence: Sentence
    content: tuple[Token, ...]
    novel: tuple[Token, ...]
    quotations: int
    novel_pairs: int
    coverage: float
    longest_run: int
    position: float
    first: bool
    last: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer read against its question and context."""

    facts: tuple[Facts, ...]
    function_share: float  # of the words: about 0.4 in English, about 0 in other languages

    @property
    def content(self) -> int:
        return sum(len(fact.content) for fact in self.facts)

    @property
    def novel_share(self) -> float | None:
        """Share of the content words that no source holds, in [0, 1]; None without any."""
        novel = sum(len(fact.novel) for fact in self.facts)
        return novel / self.content if self.content else None


def read_answer(question: str, context: Iterable[str], answer: str) -> Reading:
    """The facts of every sentence of `answer`, in order."""
    sources = read_sources([question, *context], wording=has_quotation(answer))
    found = sentences(answer)
    facts: list[Facts] = []
    words = functions = 0
    for index, sentence in enumerate(found):
        all_tokens = list(tokens(sentence.text))
        words += len(all_tokens)
        functions += sum(not token.content for token in all_tokens)
        facts.append(_facts(sentence, all_tokens, sources, index, len(found)))
    return Reading(tuple(facts), functions / words if words else 0.0)


def is_refusal(facts: Facts, framing: frozenset[str]) -> bool:
    """Whether the sentence only says that the sources do not answer."""
    return bool(REFUSES.search(facts.sentence.text)) and len(substance(facts, framing)) <= 1


def substance(facts: Facts, framing: frozenset[str]) -> list[Token]:
    """The novel content words, without those that only frame an answer ("based", "provided")."""
    return [token for token in facts.novel if token.key not in framing]


def sentence_features(facts: Facts, framing: frozenset[str]) -> list[float]:
    """The numbers named in FEATURES."""
    new = substance(facts, framing)
    content = len(facts.content)
    kinds = [token.kind for token in new]
    log_new, log_content = math.log1p(len(new)), math.log1p(content)
    text = facts.sentence.text
    sources_talk, refuses = bool(TALKS_OF_SOURCES.search(text)), bool(REFUSES.search(text))
    uncovered = 1.0 - facts.coverage
    return [
        log_new,
        len(new) / (content + 3),
        math.log1p(len(facts.novel) - len(new)),
        log_content,
        min(3, kinds.count("number")),
        min(3, kinds.count("name")),
        min(2, facts.quotations + kinds.count("link")),
        facts.novel_pairs / (max(0, content - 1) + 2),
        uncovered,
        float(sources_talk),
        float(refuses),
        float(bool(DENIES.search(text))),
        facts.position,
        float(facts.last),
        float(facts.first),
        math.log1p(facts.longest_run),
        refuses * log_new,
        sources_talk * log_new,
        uncovered * log_content,
    ]


def answer_features(
    facts: Sequence[Facts], logits: Sequence[float], framing: frozenset[str]
) -> list[float]:
    """The numbers named in ANSWER_FEATURES, from the sentences' facts and their logits."""
    ordered = sorted(logits, reverse=True) or [NO_SENTENCE_LOGIT]
    chances = [sigmoid(logit) for logit in ordered]
    log_none = sum(math.log1p(-min(chance, 0.999)) for chance in chances)
    content = sum(len(fact.content) for fact in facts)
    new = sum(len(substance(fact, framing)) for fact in facts)
    refusing = sum(is_refusal(fact, framing) for fact in facts)
    return [
        math.log(-math.expm1(log_none) + 1e-6) - log_none,
        ordered[0],
        sum(ordered[:3]) / len(ordered[:3]),
        math.log(sum(chances) + 1e-3),
        math.log1p(content),
        math.log1p(new),
        new / (content + 5),
        math.log1p(len(facts)),
        refusing / max(1, len(facts)),
        sum(chances) / len(chances),
    ]


def sigmoid(logit: float) -> float:
    """1 / (1 + exp(-logit)), without overflow."""
    if logit >= 0.0:
        return 1.0 / (1.0 + math.exp(-logit))
    grown = math.exp(max(logit, -700.0))
    return grown / (1.0 + grown)


def _facts(
    sentence: Sentence,
    all_tokens: Sequence[Token],
    sources: Sources,
    index: int,
    count: int,
) -> Facts:
    content = tuple(token for token in all_tokens if token.content)
    keys = [token.key for token in content]
    return Facts(
        sentence=sentence,
        content=content,
        novel=tuple(token for token in content if not sources.knows(token)),
        quotations=novel_quotations(sentence.text, sources),
        novel_pairs=sum(pair not in sources.pairs for pair in pairwise(keys)),
        coverage=_coverage(frozenset(keys), sources.places),
        longest_run=_longest_run(content, sources),
        position=index / max(1, count - 1),
        first=index == 0,
        last=index == count - 1,
    )


def _longest_run(content: Iterable[Token], sources: Sources) -> int:
    """The most novel content words in a row."""
    run = longest = 0
    for token in content:
        run = 0 if sources.knows(token) else run + 1
        longest = max(longest, run)
    return longest


def _coverage(keys: frozenset[str], places: Iterable[frozenset[str]]) -> float:
    """The largest share of the sentence's words that one place of the sources holds."""
    return max((len(keys & place) for place in places), default=0) / max(1, len(keys))
