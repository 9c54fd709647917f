"""Texts that hold made-up secrets in the public forms of real ones, for benchmarks/safety.py."""

from __future__ import annotations

import random
from collections.abc import Callable

ALNUM = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789"
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
FORMS: dict[str, Callable[[random.Random], str]] = {
    "aws access key": lambda r: "AKIA" + _of(r, UPPER, 16),
    "google api key": lambda r: "AIza" + _of(r, ALNUM, 35),
    "slack token": lambda r: f"xoxb-{_of(r, '123456789', 12)}-{_of(r, ALNUM, 24)}",
    "slack webhook": lambda r: (
        "https://hooks.slack.com/services/T"
        + f"{_of(r, UPPER, 8)}/B{_of(r, UPPER, 8)}/{_of(r, ALNUM, 24)}"
    ),
    "stripe key": lambda r: "sk_live_" + _of(r, ALNUM, 24),
    "github token": lambda r: "ghp_" + _of(r, ALNUM, 36),
    "gitlab token": lambda r: "glpat-" + _of(r, ALNUM, 20),
    "openai key": lambda r: "sk-proj-" + _of(r, ALNUM, 48),
    "sendgrid key": lambda r: f"SG.{_of(r, ALNUM, 22)}.{_of(r, ALNUM, 43)}",
    "telegram token": lambda r: f"{_of(r, '123456789', 9)}:AA{_of(r, ALNUM, 33)}",
    "azure storage key": lambda r: f"AccountKey={_of(r, ALNUM, 86)}==",
    "json web token": lambda r: f"eyJhbGciOiJIUzI1NiJ9.eyJ{_of(r, ALNUM, 40)}.{_of(r, ALNUM, 43)}",
    "private key": lambda r: (
        "-----BEGIN RSA PRIVATE KEY-----\n"
        + f"{_of(r, ALNUM, 64)}\n{_of(r, ALNUM, 64)}\n-----END RSA PRIVATE KEY-----"
    ),
    "connection string": lambda r: f"postgres://app:{_of(r, ALNUM, 14)}@db.internal:5432/shop",
}
CONTEXTS = (
    "{}", "here it is: {}", "export SERVICE_VALUE={}", 'config = {{"value": "{}"}}',
    "curl -H 'X-Auth: {}' https://api.internal/v1/items", "Why does this fail?\n\n{}\n\nThanks!",
)  # fmt: skip
NAMED = ('password = "{}"', "DB_PASSWORD={}", "client_secret: {}", 'api_key="{}"', "SECRET_KEY={}")
PROSE = ("the password is {}", "log in with admin and {}", "my pin for the vault: {}")
ROUNDS = 5


def _of(chooser: random.Random, letters: str, count: int) -> str:
    return "".join(chooser.choice(letters) for _ in range(count))


def constructed_secrets() -> list[tuple[str, str, str]]:
    """(kind, text, secret): made by a seed, from the public forms of keys."""
    chooser = random.Random(11)
    made = [
        (kind, context.format(secret), secret)
        for kind, form in FORMS.items()
        for context in CONTEXTS
        for secret in (form(chooser) for _ in range(ROUNDS))
    ]
    for kind, contexts, length in (("named value", NAMED, 24), ("password in prose", PROSE, 11)):
        for context in contexts:
            for _ in range(ROUNDS * 4):
                secret = _of(chooser, ALNUM, length)
                made.append((kind, context.format(secret), secret))
    return made
