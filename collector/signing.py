"""Standard Webhooks 1.0.0 signatures, and the key that keeps webhook secrets unreadable at rest."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from .errors import ConfigError

PREFIX = "whsec_"
SECRET_BYTES = 32
KEY_FILE = "webhook.key"


def new_secret() -> str:
    """`whsec_` and 32 random bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sign(secret: str, message_id: str, timestamp: int, body: str) -> str:
    """The `webhook-signature` of a body: `v1,` and the base64 HMAC-SHA256 of id.timestamp.body."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class Vault:
    """Encrypts secrets with a key file in the collector's home (Fernet: AES-128-CBC with HMAC-
    SHA256).
    """

    def __init__(self, home: Path) -> None:
        self._fernet = Fernet(_key(home / KEY_FILE))

    def lock(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode()

    def unlock(self, token: str) -> str:
        """Raises ConfigError when the key file is not the one that locked it."""
        try:
            return self._fernet.decrypt(token.encode()).decode()
        except InvalidToken as error:
            message = (
                f"{KEY_FILE} in DRIFTLINE_HOME does not open a webhook's secret: restore the file"
            )
            raise ConfigError(message) from error


def _key(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes().strip()
    key = Fernet.generate_key()
    with os.fdopen(handle, "wb") as file:
        file.write(key)
    return key
