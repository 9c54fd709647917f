"""What happens to an error of our own: swallowed in production, raised under test.

The SDK never raises into the app. Under `DRIFTLINE_DEBUG=1`, or while pytest runs a test, it does,
so that a mistake is seen where it is made. Log lines name the error's type only: its text may hold
a prompt.
"""

from __future__ import annotations

import logging
import os

log = logging.getLogger("driftline")
_FALSE = ("", "0", "false", "no", "off")
_said: set[tuple[str, str]] = set()


def truth(text: str) -> bool:
    """An environment variable's yes or no."""
    return text.strip().lower() not in _FALSE


def strict() -> bool:
    """Whether internal errors surface."""
    return "PYTEST_CURRENT_TEST" in os.environ or truth(os.environ.get("DRIFTLINE_DEBUG", ""))


def swallow(error: Exception, where: str) -> None:
    """Keep `error` from the app: log its type once a place, or raise it when `strict()`."""
    if strict():
        raise error
    warn_once(
        where, f"internal error in {where}: {type(error).__name__} (DRIFTLINE_DEBUG=1 raises)"
    )


def warn_once(key: str, message: str) -> None:
    """Log `message` once a process and key."""
    if (key, message) not in _said and len(_said) < 1000:
        _said.add((key, message))
        log.warning("%s", message)
