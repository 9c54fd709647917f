"""The language of a text: an ISO 639 code and how sure that is. Needs the package `py3langid`.

langid.py (Lui & Baldwin 2012): naive Bayes over byte n-grams, in the version that py3langid trained
in 2026. Its languages are restricted to those below: dialects and small languages that
resemble large ones (Wu for Chinese, Serbian for Bosnian) cost more than they give on short texts.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from driftline.metrics.metric import Metric, Value
from driftline.metrics.text import well_formed

from .sides import Describe, Side, descriptor

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

_LANGUAGES = """
af am ar az be bg bn bs ca cs cy da de el en eo es et eu fa fi fr ga gl gu he hi hr hu hy id is it
ja ka kk km kn ko ku ky la lo lt lv mk ml mn mr ms my ne nl no or pa pl ps pt ro ru sa si sk sl so
sq sr sv sw ta te th tl tr ug uk ur uz vi zh zu
"""
LANGUAGES = tuple(_LANGUAGES.split())
MAX_CHARACTERS = 1_000  # of a text that are read: more changes nothing
MIN_LETTERS = 3
ANOTHER_LANGUAGE = 0.8  # at or above it a text is not English and English metrics are None


@functools.cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # 100 MB, 1 s: only when wanted

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(LANGUAGES)
    return identifier


def language_of(text: str) -> tuple[str, float] | None:
    """The most likely language and its probability; None for fewer than three letters."""
    return _language_of(text[:MAX_CHARACTERS])


@functools.lru_cache(maxsize=16)  # several metrics in turn ask about one text
def _language_of(text: str) -> tuple[str, float] | None:
    part = well_formed(text)
    if sum(map(str.isalpha, part)) < MIN_LETTERS:
        return None
    code, probability = _identifier().classify(part)
    return str(code), min(1.0, float(probability))


def language(text: str) -> Value | None:
    found = language_of(text)
    return None if found is None else Value(found[1], label=found[0])


def english(describe: Describe) -> Describe:
    """`describe`, but None for a text that is in another language for all we can tell."""

    @functools.wraps(describe)
    def of_english(text: str) -> Value | float | None:
        found = language_of(text)
        if found is not None and found[0] != "en" and found[1] >= ANOTHER_LANGUAGE:
            return Value(None, f"made for English, this is {found[0]}")
        return describe(text)

    return of_english


def _detect(side: Side) -> Metric:
    return descriptor(
        "detect_language", f"Language of the {side}", language, side=side, high=1.0, default=True,
        formula="label: ISO 639 code of the likeliest of 82 languages; value: its probability",
        source="Lui & Baldwin 2012, langid.py; model of py3langid 0.4",
        none="fewer than three letters",
        lies="on a few words, on code, and on mixed texts, of which one language is named",
    )  # fmt: skip


LANGUAGE = (_detect("response"), _detect("prompt"))
