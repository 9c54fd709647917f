"""Secrets in a text: keys of providers by their form, and values by what stands before them.

The kinds "key" are the SDK's redaction (`redact_kinds.keys`); the other rules are of the public
documentation of each provider, as detect-secrets and gitleaks also use them. A placeholder is no
secret: `your-api-key`, `<token>`, `${TOKEN}`, `xxxx`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from driftline.sdk.redact_kinds import keys

from .places import Finder, Place, find

PROVIDERS = {
    "aws": r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])",
    "google": r"AIza[\w-]{35}(?![\w-])|GOCSPX-[\w-]{28}|ya29\.[\w-]{20,200}",
    "slack": r"xox[abeoprs]-[A-Za-z0-9-]{10,200}"
    r"|https://hooks\.slack\.com/services/T\w{6,12}/B\w{6,12}/\w{20,30}",
    "stripe": r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,200}",
    "github": r"gh[opsur]_[A-Za-z0-9]{36,200}|github_pat_\w{22,200}",
    "gitlab": r"glpat-[\w-]{20,200}",
    "azure": r"AccountKey=[A-Za-z0-9+/]{40,100}={0,2}|SharedAccessKey=[A-Za-z0-9+/]{40,60}={0,2}",
    "sendgrid": r"SG\.[\w-]{16,32}\.[\w-]{16,64}",
    "telegram": r"\d{8,10}:AA[\w-]{33}(?![\w-])",
    "pypi": r"pypi-AgE[\w-]{40,300}",
    "digitalocean": r"do[opr]_v1_[a-f0-9]{64}",
    "shopify": r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",
    "databricks": r"dapi[a-f0-9]{32}(?![a-f0-9])",
    "mailgun": r"key-[a-f0-9]{32}(?![a-f0-9])",
    "hugging face": r"hf_[A-Za-z0-9]{30,60}",
    "npm": r"npm_[A-Za-z0-9]{36}",
    "age": r"AGE-SECRET-KEY-1[A-Z0-9]{58}",
}
HINTS = re.compile(
    r"A3T|A[KSBC][IC]A|AIza|GOCSPX|ya29|xox|hooks\.slack|k_(?:live|test)_|gh[opsur]_|github_pat"
    r"|glpat|Acc(?:ount|ess)Key|SG\.|:AA|pypi-|_v1_|shp[acsp]|dapi|key-|hf_|npm_|AGE-SEC"
)
PASSWORD = re.compile(
    r"(?i)(?<![A-Za-z0-9])(?:[a-z0-9]{1,30}[_-]){0,3}(?:password|passwd|pwd|passphrase)"
    r"\\?[\"']?\s{0,3}(?:=>|:=|[:=])\s{0,3}\\?(?P<quote>[\"']?)(?P<value>[^\s\"'\\,;]{6,128})(?P=quote)"
)
CONTEXT = re.compile(
    r"(?i)(?<![A-Za-z0-9])(?:[a-z0-9]{1,30}[_-]){0,3}(?:client[_-]?secret|private[_-]?key|secret"
    r"|access[_-]?key(?:[_-]?id)?|signing[_-]?key|encryption[_-]?key|credentials?|api[_-]?key|token"
    r"|webhook[_-]?secret)\\?[\"']?\s{0,3}(?:=>|:=|[:=]|\bis\b)\s{0,3}\\?[\"']?"
    r"(?P<value>[A-Za-z0-9+/_=.-]{16,512})"
)
CONTEXT_HINT = re.compile(r"(?i)secret|key|token|credential|passw|pwd|passphrase")
PLACEHOLDER = re.compile(
    r"(?i)your|example|placeholder|change.?me|redacted|dummy|<|>|\$\{|\{\{|%\(|process\.env|os\.env"
    r"|getenv|x{4}|\*{3}|\.{3}|\b(?:string|none|null|true|false|required|optional|password)\b"
)
CODE = re.compile(r"[][(){}$]|\w\.\w")  # an unquoted value of this kind is an expression
MIN_CLASSES = 2  # of small and capital letters, digits, others: a password that is no word


def providers(text: str) -> Iterator[tuple[int, int]]:
    """Keys whose form names their provider."""
    if HINTS.search(text):
        yield from (match.span() for match in _provider_pattern().finditer(text))


def assigned(text: str) -> Iterator[tuple[int, int]]:
    """Values of passwords and secrets: `password = "…"`, `client_secret: …`."""
    if not CONTEXT_HINT.search(text):
        return
    for match in PASSWORD.finditer(text):
        if not match["quote"] and CODE.search(match["value"]):
            continue
        if _classes(match["value"]) >= MIN_CLASSES and not PLACEHOLDER.search(match["value"]):
            yield match.span("value")
    for match in CONTEXT.finditer(text):
        if _classes(match["value"]) >= MIN_CLASSES and _drawn(match["value"]):
            yield match.span("value")


def known_keys(text: str) -> Iterator[tuple[int, int]]:
    """What the SDK redacts as `key`, placeholders aside."""
    return (
        (start, end) for start, end in keys(text) if not PLACEHOLDER.search(text[start:end][:200])
    )


SECRETS: dict[str, Finder] = {"provider key": providers, "key": known_keys, "assigned": assigned}


def secrets_in(text: str) -> list[Place]:
    """Where the text holds a secret, in order, without overlaps."""
    return find(SECRETS, text)


@functools.cache
def _provider_pattern() -> re.Pattern[str]:
    return re.compile(r"(?<![A-Za-z0-9_])(?:" + "|".join(PROVIDERS.values()) + ")")


def _classes(value: str) -> int:
    tests = (str.islower, str.isupper, str.isdigit, lambda c: not c.isalnum())
    return sum(any(test(character) for character in value) for test in tests)


def _drawn(value: str) -> bool:
    """Whether it looks drawn at random: digits and letters, many different ones, no placeholder."""
    mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    return mixed and len(set(value)) >= min(10, len(value) // 2) and not PLACEHOLDER.search(value)
