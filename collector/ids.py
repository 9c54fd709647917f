"""Ids of the control database's rows: a prefix that says what they name, then 96 random bits in
base 36.
"""

from __future__ import annotations

import secrets
import string

ALPHABET = string.digits + string.ascii_lowercase
CHARS = 19  # 19 * log2(36) = 98 bits


def new_id(prefix: str) -> str:
    """For example `inc_0k3…`."""
    return f"{prefix}_{''.join(secrets.choice(ALPHABET) for _ in range(CHARS))}"
