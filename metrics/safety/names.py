"""Names of people in a text: a capitalised run with a known first name, a title or a cue.

The lists are the commonest names of the 1990 census of the United States (public domain), less
those that English texts also write in lower case. Names from elsewhere are found after a title
("Mrs. Szabó") or a cue ("my name is"), else seldom; docs/safety.md has the shares. A public figure
is a person too: nothing here knows who is famous.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from importlib import resources

_WORD = r"[^\W\d_a-zß-öø-ÿ][^\W\d_]{0,30}(?:['’-][^\W\d_]{1,30})?"
_INITIAL = r"[A-Z]\."
_PARTICLE = r"(?:van|von|de|del|della|der|den|di|da|la|le|bin|al|ter)"
RUN = re.compile(
    rf"(?<![\w'’.-])(?:{_WORD}|{_INITIAL})(?: (?:{_PARTICLE} ){{0,2}}(?:{_INITIAL}|{_WORD})){{0,4}}"
    r"(?![\w’])"
)
TITLE = re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Herr|Frau|Mme|Señora?|Sra?)\b\.? {0,2}$")
CUE = re.compile(
    r"(?:(?i:\b(?:(?:my|his|her|their|your|the|maiden|full|first|last|user'?s?)"
    r" name(?: is|'s|:)"
    r"|name(?:d|:)|called|call me|dear|this is|signed,?|sincerely,|regards,|cardholder:?"
    r"|user:|hi|hello|hey))\s{1,3})$"
)
CUE_CHARACTERS = 24
TITLE_WORDS = frozenset(
    ("Mr", "Mrs", "Ms", "Miss", "Mx", "Dr", "Prof", "Herr", "Frau", "Mme", "Sir", "Señor", "Señora")
)
_NO_NAMES = (  # capitalised words that follow a cue or begin a sentence
    "I The A An This That It He She We You They My Your His Her Our Their What Who When Where Why "
    "How Is Are Was Were Do Does Did Can Could Will Would Should May Please Yes No Not Also And Or "
    "But If In On At To From For Of With By As Customer Team All Everyone Hi Hello Dear Thanks "
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May "
    "June July August September October November December Street Avenue Road University College "
    "School Hospital Company Inc Ltd LLC Group Bank Park Lake River Mount City County Island North "
    "South East West New Saint St San Santa Los Las El La Le "
    "Islands Heights Royal Valley Beach Hills Springs University Street Court Hall"
)
_PLACES = (  # first names that mean a place more often
    "Georgia Virginia Carolina Dakota Florence Paris London Chelsea Brooklyn Austin Jackson "
    "Lincoln Washington Savannah Charlotte Madison Victoria India China Israel Jordan Chad Kenya "
    "Asia America Houston Dallas Phoenix Orlando Cuba Holland Milan Lima Columbus Sydney Vienna "
    "Geneva Adelaide Alexandria Denver Albany Montana Nevada Arizona Florida France German "
    "Germany Italy Ireland England Scotland Britain Spain Egypt Persia Troy Louisiana Indiana Iowa "
    "Tennessee Missouri Oregon Utah Maine Maryland Delaware Carolina Vermont Berlin Rome Verona "
    "Siena Valencia Barcelona Cairo Lourdes Santiago Salem Gary Dominica Romania Malta Samoa Rio "
    "Jan Mar Add Ok Roman Christian English French Mercedes Porsche Lexus Dell Alexa Siri Apple "
    "Java Julia Ruby Pearl Mercury Venus Jupiter Trinity Christmas Easter Islam Genesis Merrill"
)
NO_NAMES, PLACES = frozenset(_NO_NAMES.split()), frozenset(_PLACES.split())


def names(text: str) -> Iterator[tuple[int, int]]:
    """[start, end) of each name, without its title."""
    for match in RUN.finditer(text):
        found = _name_in(text, match.start(), match.group())
        if found is not None:
            yield found


@functools.cache
def known() -> tuple[frozenset[str], frozenset[str]]:
    """First names and surnames that English does not use as words; in small letters."""
    path = resources.files("driftline.metrics").joinpath("data/safety_names.json")
    stored = json.loads(path.read_text("utf-8"))
    return frozenset(stored["first"]), frozenset(stored["last"])


def _name_in(text: str, start: int, run: str) -> tuple[int, int] | None:
    """The part of a capitalised run that is a name, if one is."""
    words = _words_of(run)
    while words and words[0][1].rstrip(".") in TITLE_WORDS:
        words.pop(0)
        if words and (rest := _usable(words)):
            return start + rest[0][0], start + rest[-1][0] + len(rest[-1][1])
    before = text[max(0, start - CUE_CHARACTERS) : start]
    told = TITLE.search(before) or CUE.search(before)
    usable = _usable(words) if told else _listed(words)
    if not usable:
        return None
    return start + usable[0][0], start + usable[-1][0] + len(usable[-1][1])


def _words_of(run: str) -> list[tuple[int, str]]:
    return [(match.start(), match.group()) for match in re.finditer(r"[^ ]+", run)]


def _usable(words: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Up to the first word that is no name."""
    kept: list[tuple[int, str]] = []
    for word in words:
        if word[1] in NO_NAMES:
            break
        kept.append(word)
    return kept


def _listed(words: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """From the first word that is a first name on: alone when it is no place, else with more."""
    first, last = known()
    for index, (_, word) in enumerate(words):
        if _plain(word) not in first or word in NO_NAMES or word.isupper():
            continue
        rest = _usable(words[index:])
        if not rest[1:]:
            return rest if index == 0 and len(words) == 1 and not _place(word) else []
        following = [_plain(other) for _, other in rest[1:]]
        if len(rest) <= 4 and (not _place(word) or _goes_on(following, first, last)):
            return rest
    return []


def _place(word: str) -> bool:
    return word.removesuffix("'s").removesuffix("’s") in PLACES


def _goes_on(following: list[str], first: frozenset[str], last: frozenset[str]) -> bool:
    """Whether what follows a first name is a surname, another first name or an initial."""
    return any(word in last or word in first or len(word) == 1 for word in following)


def _plain(word: str) -> str:
    return word.lower().rstrip(".").removesuffix("'s").removesuffix("’s")
