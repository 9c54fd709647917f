"""Kinds of characters in a text: emoji, punctuation, symbols, capitals."""

from __future__ import annotations

import functools
import unicodedata
from collections import Counter

from .emoji import emoji_count
from .sides import descriptor

CAPITALS = {"Lu", "Lt"}


def punctuation_count(text: str) -> int:
    """Characters of Unicode's categories P…: . , ! ? - ( ) " 。 and their like."""
    return _of_category(text, "P")


def special_chars_count(text: str) -> int:
    """Symbols ($ + < ^ ` | ~ ©, emoji), controls that are no white space, and unassigned ones."""
    return _of_category(text, "SC")


def capital_letters_ratio(text: str) -> float | None:
    """Capitals / letters that have a case; None without any (中文 has no capitals to miss)."""
    kinds = _categories(text)
    capitals = sum(kinds[kind] for kind in CAPITALS)
    cased = capitals + kinds["Ll"]
    return capitals / cased if cased else None


def _of_category(text: str, first_letters: str) -> int:
    return sum(count for kind, count in _categories(text).items() if kind[0] in first_letters)


@functools.lru_cache(maxsize=4)  # three metrics in turn ask about one text
def _categories(text: str) -> Counter[str]:
    """How often each Unicode category occurs; white space is "Z" even where it is a control."""
    kinds: Counter[str] = Counter()
    for character, count in Counter(text).items():
        kinds["Z" if character.isspace() else unicodedata.category(character)] += count
    return kinds


CHARACTERS = (
    descriptor(
        "emoji_count", "Emoji", emoji_count,
        formula="emoji as shown: a flag, a skin tone, a ZWJ sequence is one",
        source="Unicode Technical Standard #51",
        unit="emoji",
        lies="on emoji newer than the installed Unicode tables, and on :-) and :smile:",
        default=True,
    ),
    descriptor(
        "punctuation_count", "Punctuation", punctuation_count,
        formula="characters of Unicode category P",
        source="Unicode Standard 4.5",
        unit="character",
        lies="Markdown and code are full of it: * # _ are punctuation too",
    ),
    descriptor(
        "special_chars_count", "Special characters", special_chars_count,
        formula="characters of Unicode categories S and C, white space excepted",
        source="Unicode Standard 4.5",
        unit="character",
        lies="an emoji of several code points counts several times; @ # % & are punctuation",
    ),
    descriptor(
        "capital_letters_ratio", "Capital letters", capital_letters_ratio,
        formula="capitals / letters that have a case",
        source="Unicode Standard 4.5",
        high=1.0,
        lies="on German, acronyms and code; null for scripts without case",
        none="no letters with a case",
    ),
)  # fmt: skip
