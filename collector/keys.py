"""API keys: `sk-dl-<8 hex id>-<secret>`. Only a SHA-256 of the whole key is stored, and it is
compared in constant time.

A plain hash is enough because the secret is 190 random bits, not a password: there is nothing to
guess (OWASP Password
Storage Cheat Sheet concerns low-entropy secrets).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import string
from dataclasses import dataclass
from pathlib import Path

SCOPES = ("ingest", "read", "work", "admin")
# What a scope may do besides itself.
INCLUDES = {
    "ingest": {"ingest"},
    "read": {"read"},
    "work": {"work", "read"},
    "admin": {"admin", "work", "read", "ingest"},
}
SECRET_CHARS = 32
SHAPE = re.compile(r"sk-dl-([0-9a-f]{8})-[0-9A-Za-z]{16,}")
ALPHABET = string.ascii_letters + string.digits
ADMIN_KEY_FILE = "admin.key"


@dataclass(frozen=True, slots=True)
class Minted:
    """A new key; `text` is the only time it is seen whole."""

    id: str
    text: str
    digest: str
    last4: str


def mint() -> Minted:
    """A new random key."""
    key_id = secrets.token_hex(4)
    text = f"sk-dl-{key_id}-{''.join(secrets.choice(ALPHABET) for _ in range(SECRET_CHARS))}"
    return Minted(key_id, text, digest(text), text[-4:])


def digest(text: str) -> str:
    """SHA-256 of a key, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def key_id(text: str) -> str:
    """The id inside a key, or "" when it does not have a key's shape."""
    match = SHAPE.fullmatch(text)
    return match[1] if match else ""


def public_key(text: str) -> str:
    """The half of a key that may be shown: `pk-dl-<id>`; "" for what is no key."""
    found = key_id(text)
    return f"pk-dl-{found}" if found else ""


def matches(text: str, stored_digest: str) -> bool:
    """Whether `text` is the key of that digest; takes the same time whether or not."""
    return hmac.compare_digest(digest(text), stored_digest)


def allows(scope: str, needed: str) -> bool:
    """Whether a key of `scope` may do what needs `needed`."""
    return needed in INCLUDES.get(scope, set())


def bootstrap(home: Path, configured: str) -> str:
    """The admin key: the configured one, the one in `home`, or a new one written there for the
    owner only.
    """
    if configured:
        return configured
    path = home / ADMIN_KEY_FILE
    home.mkdir(parents=True, exist_ok=True)
    fresh = mint().text
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(handle, "w") as file:
        file.write(fresh + "\n")
    return fresh
