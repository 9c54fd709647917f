"""Terms that a text should hold: lists of them in metadata, and whether a text holds one."""

from __future__ import annotations

import json
import re
import unicodedata

MAX_TERMS = 500
MAX_TERM_CHARACTERS = 200
# Scripts that write no spaces between words: a term may begin and end anywhere in them.
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff]")


def folded(text: str) -> str:
    """`text` with one form for what reads the same: NFKC, case folded, single spaces."""
    plain = unicodedata.normalize("NFKC", text).replace("’", "'")
    return " ".join(unicodedata.normalize("NFKC", plain.casefold()).split())


def holds(text: str, term: str) -> bool:
    """Whether the folded `text` holds the folded `term` as whole words; never an empty one."""
    if not term:
        return False
    before = "" if UNSPACED.match(term[0]) or not _wordy(term[0]) else r"(?<!\w)"
    after = "" if UNSPACED.match(term[-1]) or not _wordy(term[-1]) else r"(?!\w)"
    return re.search(before + re.escape(term) + after, text) is not None


def _wordy(character: str) -> bool:
    return character.isalnum() or character == "_"


def texts_in(value: str) -> list[str]:
    """A list of texts in metadata: a JSON array of strings, else the value itself as the one."""
    if value.lstrip().startswith("["):
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            return [value]
        if isinstance(found, list) and all(isinstance(item, str) for item in found):
            return found
    return [value] if value.strip() else []


def terms_in(value: str) -> list[str]:
    """Different folded terms: a JSON array of strings, else parts between commas."""
    found = texts_in(value)
    parts = value.split(",") if found == [value] else found
    kept = (folded(part[:MAX_TERM_CHARACTERS]) for part in parts)
    return list(dict.fromkeys(term for term in kept if term))[:MAX_TERMS]
