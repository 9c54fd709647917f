"""Where a text holds personal data or secrets: one finder for each kind, in linear time.

Each pattern matches a bounded number of characters, or begins only where a run of its characters
begins, so that no text makes it slow. What a pattern finds is checked where the kind can be: cards
by their digit sum (ISO/IEC 7812-1, Luhn), IBANs by length and remainder (ISO 13616, mod 97), IP
addresses by parsing, assigned secrets by their entropy.

Most text holds none of it, so a plain substring or a run of digits is looked for first: that
halves the time or better.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator

Place = tuple[int, int]  # [start, end) in characters
Finder = Callable[[str], Iterator[Place]]

MAX_LOCAL_CHARS = 64  # of an e-mail address, before the @ (RFC 5321, 4.5.3.1.1)
SECRET_BITS = 3.0  # a character; English words have less, random letters and digits 4 to 6
IBAN_CHARS = {
    country: int(length)
    for length, countries in (
        line.split(":")
        for line in (
            "15:NO", "16:BE", "18:DK FK FI FO GL NL SD", "19:MK SI", "20:AT BA EE KZ LT LU MN XK",
            "21:CH HR LI LV", "22:BG BH CR DE GB GE IE ME RS VA", "23:AE GI IL IQ OM SO TL",
            "24:AD CZ ES MD PK RO SA SE SK TN VG", "25:LY PT ST", "26:IS TR",
            "27:BI DJ FR GR IT MC MR SM", "28:AL AZ BY CY DO GT HU LB NI PL SV",
            "29:BR EG PS QA UA", "30:JO KW MU YE", "31:MT SC", "32:LC", "33:RU",
        )
    )
    for country in countries.split()
}  # fmt: skip  # SWIFT IBAN registry, release 99

DOMAIN = re.compile(r"@(?:[^\W_][\w-]{0,62}\.){1,8}[^\W\d_][\w-]{1,23}")
CARD = re.compile(
    r"(?<!\d)(?:[2-6]\d{12,18}|1800\d{11}"
    r"|\d{4}(?P<a>[ \xa0-])\d{4}(?P=a)\d{4}(?P=a)\d{1,4}(?:(?P=a)\d{1,3})?"
    r"|3\d{3}(?P<b>[ \xa0-])\d{6}(?P=b)\d{5})(?!\d)"
)
IBAN = re.compile(r"\d\d(?<=[A-Za-z]{2}\d\d)(?<![A-Za-z0-9][A-Za-z]{2}\d\d)")  # its first four
IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)")
IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:][0-9A-Fa-f:.]*(?!\w)")
PHONE = re.compile(
    r"(?<![\w.+/-])(?:"
    r"(?:\+|00)[1-9]\d{0,2}(?:[ .-]?\(\d{1,4}\))?(?:[ .-]?\d{1,5}){2,6}"  # international
    r"|(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d(?P<s>[ .-]))[2-9]\d\d(?:(?P=s)|[ .-])\d{4}"  # NANP
    r"|\(?0[1-9]\d{0,3}\)?[ .-]?\d{2,4}(?:[ .-]?\d{2,4}){1,3}"  # national, with its trunk zero
    r")(?: ?(?:x|ext\.?) ?\d{1,5})?(?![\w/]|[.,:-]\d)"
)
CARD_RUN = re.compile(r"\d[\d \xa0-]{12,}")
IPV4_RUN = re.compile(r"\d[\d.]{6,}")
IPV6_HINT = re.compile(r":[0-9A-Fa-f]{0,4}:")
PHONE_RUN = re.compile(r"[+(\d][\d ().-]{6,}")
AFTER_RUN = 12  # characters: an extension, and what must not follow
PREFIXES = (
    *("sk-", "pk-", "rk-", "sk_", "pk_", "rk_", "gho_", "ghp_", "ghs_", "ghu_", "ghr_", "github_"),
    *("glpat-", "AKIA", "ASIA", "AIza", "xox", "hf_", "npm_", "whsec_"),
)
WORDS = ("key", "secret", "token", "passw", "bearer", "authorization")  # of ASSIGNED
PREFIXED = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}"  # OpenAI, Anthropic, Langfuse, ours
    r"|(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{16,}"  # Stripe
    r"|gh[opsur]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{20,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])|AIza[A-Za-z0-9_-]{35}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{36}"
    r"|whsec_[A-Za-z0-9+/=]{24,}"
    r")"
)
JWT = re.compile(r"(?<![A-Za-z0-9_-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")
PEM = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
PEM_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
ASSIGNED = re.compile(
    r"(?i)(?<![A-Za-z0-9])(?:api[_-]?key|secret(?:[_-]?(?:access[_-]?)?key)?|(?:access|auth)[_-]?"
    r"token|token|password|passwd|bearer|authorization)\\?[\"']?(?:\s{0,3}[:=]\s{0,3}|\s)\\?[\"']?"
    r"(?P<value>[A-Za-z0-9_\-./+=~]{16,})"
)
CREDENTIALS = re.compile(r"://[^\s/:@]{0,64}:(?P<value>[^\s/:@]{1,128})@")


def emails(text: str) -> Iterator[Place]:
    """`local@domain.tld`; the local part is read backwards from the @."""
    for match in DOMAIN.finditer(text):
        start = match.start()
        lowest = max(0, start - MAX_LOCAL_CHARS)
        while start > lowest and (text[start - 1].isalnum() or text[start - 1] in "._%+-'"):
            start -= 1
        while start < match.start() and text[start] in ".'-":
            start += 1
        if start < match.start():
            yield start, match.end()


def cards(text: str) -> Iterator[Place]:
    """13 to 19 digits with a right digit sum, plain or in groups of four (4-6-5)."""
    return _checked(CARD, CARD_RUN, text, lambda found: _luhn(re.sub(r"\D", "", found)))


def ibans(text: str) -> Iterator[Place]:
    """Of a known country, of its length, with the right remainder; in groups or not."""
    for match in IBAN.finditer(text):
        start = match.start() - 2
        end = _end_of_iban(text, start, IBAN_CHARS.get(text[start : start + 2].upper(), 0))
        if end and _mod97(re.sub(r"[ -]", "", text[start:end]).upper()):
            yield start, end


def ips(text: str) -> Iterator[Place]:
    """IPv4 and IPv6 addresses."""
    yield from _checked(IPV4, IPV4_RUN, text, _is_ipv4)
    if not IPV6_HINT.search(text):
        return
    for match in IPV6.finditer(text):
        found = match.group().rstrip(".:") if not match.group().endswith("::") else match.group()
        if 3 <= len(found) <= 45 and _is_ipv6(found):
            yield match.start(), match.start() + len(found)


def phones(text: str) -> Iterator[Place]:
    """International with + or 00, North American, national with a zero in front; in groups."""
    return _checked(PHONE, PHONE_RUN, text, _is_phone)


def keys(text: str) -> Iterator[Place]:
    """Keys of known providers, JSON web tokens, private keys, random values after `api_key=`."""
    if any(prefix in text for prefix in PREFIXES):
        yield from (match.span() for match in PREFIXED.finditer(text))
    if "eyJ" in text:
        yield from (match.span() for match in JWT.finditer(text))
    lower = text.lower()
    if any(word in lower for word in WORDS):
        for match in ASSIGNED.finditer(text):
            if _is_random(match["value"]):
                yield match.span("value")
    yield from (match.span("value") for match in CREDENTIALS.finditer(text))
    yield from _private_keys(text)


KINDS: dict[str, Finder] = {  # of two that overlap, the earlier names the place
    "key": keys,
    "email": emails,
    "iban": ibans,
    "card": cards,
    "ip": ips,
    "phone": phones,
}


def _checked(
    pattern: re.Pattern[str], run: re.Pattern[str], text: str, valid: Callable[[str], bool]
) -> Iterator[Place]:
    """Matches that are valid and begin in a run; after one that is not, from a character later."""
    for place in run.finditer(text):
        at, last = place.start(), place.end()
        while match := pattern.search(text, at, last + AFTER_RUN):
            if match.start() >= last:
                break  # cut off at the end of what is searched; the next run has it whole
            good = valid(match.group())
            if good:
                yield match.span()
            at = match.end() if good else match.start() + 1


def _luhn(digits: str) -> bool:
    if len(digits) < 13 or digits.count(digits[0]) == len(digits):
        return False
    doubled = "0246813579"  # twice a digit, its digits added
    odd, even = digits[-1::-2], digits[-2::-2]
    return (sum(map(int, odd)) + sum(int(doubled[int(d)]) for d in even)) % 10 == 0


def _end_of_iban(text: str, start: int, wanted: int) -> int:
    """Where `wanted` letters and digits from `start` end, single spaces or hyphens between."""
    at, seen = start, 0
    while seen < wanted and at < len(text):
        if text[at].isascii() and text[at].isalnum():
            seen += 1
        elif text[at] not in " -" or text[at - 1] in " -":
            return 0
        at += 1
    whole = seen == wanted > 0 and not text[at : at + 1].isalnum()
    return at if whole else 0


def _mod97(iban: str) -> bool:
    return int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97 == 1


def _is_phone(text: str) -> bool:
    """International: 8 to 15 digits (ITU-T E.164) and an extension; others 9 to 11, in groups."""
    number = re.split(r" ?(?:x|ext)", text, maxsplit=1)[0]
    digits = sum(map(str.isdigit, number))
    if number.startswith(("+", "00")):
        return 8 <= digits <= 17
    return 9 <= digits <= 11 and not number.isdigit()


def _is_ipv4(text: str) -> bool:
    try:
        return bool(ipaddress.IPv4Address(text).packed)
    except ValueError:
        return False


def _is_ipv6(text: str) -> bool:
    if text.count(":") < 2 or not any(map(str.isdigit, text)):
        return False
    try:
        return bool(ipaddress.IPv6Address(text).packed)
    except ValueError:
        return False


def _is_random(value: str) -> bool:
    """Whether it looks drawn, not written: letters and digits, many different ones."""
    if not (any(map(str.isdigit, value)) and any(map(str.isalpha, value))):
        return False
    head = value[:256]
    shares = [count / len(head) for count in Counter(head).values()]
    return -sum(share * math.log2(share) for share in shares) >= SECRET_BITS


def _private_keys(text: str) -> Iterator[Place]:
    """From BEGIN to END; without an END, to the end of the text."""
    at = 0
    while begin := PEM.search(text, at):
        end = PEM_END.search(text, begin.end())
        at = end.end() if end else len(text)
        yield begin.start(), at
