"""Postal addresses in a text, by the shapes of several countries; every repeat is bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator

_NUMBER = r"(?<![\w.,/-])\d{1,6}[A-Za-z]?(?:[-/]\d{1,4})?"
_NAME = r"(?:[^\W\d_a-z][\w'’.-]{0,30}|\d{1,3}(?:st|nd|rd|th))"
_SUFFIX = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq"
    r"|Terrace|Highway|Hwy|Parkway|Pkwy|Circle|Cir|Trail|Crescent|Close|Plaza|Alley|Loop|Gardens"
    r"|Way|Mews|Grove|Walk)"
)
_KIND = (
    r"(?:Via|Viale|Piazza|Corso|Rue|rue|Avenue|avenue|Boulevard|boulevard|Place|place|Rua|R|Praça"
    r"|Calle|C/|Avenida|Avda\.?|Av\.?|Plaza|Paseo|Carrer|ul\.|Ul\.|al\.|os\.|Ulica|ulica|Strada"
    r"|Bulevardul|Chemin|chemin|Quai|quai)"
)
_COMPOUND = (
    r"(?:straße|strasse|str\.|gasse|weg|platz|allee|straat|laan|plein|gracht|gade|vej|vejen|veien"
    r"|vegen|gatan|vägen|gata|gatu|katu|kuja|tie|utca|úti?|tér|ulice|ulica|stræde|svingen)"
)
_UNIT = r"(?:,?\s{1,3}(?:Apt\.?|Suite|Ste\.?|Unit|Floor|Flat|#)\s?[\w-]{1,6}(?:\s\w{1,6}(?=,|$))?)?"
_TOWN = (
    rf"(?:,?\s{{1,3}}{_NAME}(?:\s{_NAME}){{0,2}},?\s{{1,3}}"
    r"(?:[A-Z]{2}\s)?\d{4,6}(?:-\d{3,4})?)?"
)
STREETS = re.compile(
    rf"{_NUMBER},?\s(?:{_NAME}\s){{1,4}}{_SUFFIX}\b\.?{_UNIT}{_TOWN}"
    rf"|{_NUMBER},?\s{_KIND}\s(?:{_NAME}|d[aeio]s?|du|della|des)(?:\s{_NAME}){{0,3}}{_UNIT}{_TOWN}"
    rf"|(?<!\w){_KIND}\s{_NAME}(?:\s{_NAME}){{0,3}},?\s\d{{1,5}}[A-Za-z]?\b{_UNIT}{_TOWN}"
    rf"|(?:{_NUMBER}\s)?(?<!\w)[^\W\d_a-z][\w'’-]{{1,30}}{_COMPOUND}\s\d{{1,5}}[A-Za-z]?\b{_UNIT}{_TOWN}"
    rf"|{_NUMBER}\s[^\W\d_a-z][\w'’-]{{1,30}}{_COMPOUND}(?!\w){_UNIT}{_TOWN}"
    rf"|{_NUMBER}\s(?:{_NAME}\s){{1,4}}\d{{0,5}}\s{{0,2}}(?:Apt\.|Suite)\s\d{{1,5}}{_TOWN}"
    r"|(?<!\w)(?:[Pp]\.?\s?[Oo]\.?\s[Bb]ox|PSC\s\d{1,5},\sBox)\s\d{1,6}"
    r"|(?<!\w)(?i:zip(?: code)?|postcode|postal code)(?: is|:)?\s\d{4,6}(?:-\d{3,4})?(?!\w)"
    r"|(?<!\w)(?:APO|FPO|DPO)\s(?:AA|AE|AP)\s\d{5}"
)


def addresses(text: str) -> Iterator[tuple[int, int]]:
    """[start, end) of each street address, post box or military address."""
    for match in STREETS.finditer(text):
        yield match.span()
