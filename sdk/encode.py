"""JSON lines as bytes: with orjson when it is installed, else with the standard library.

Both give the same JSON: UTF-8, no NaN, lone surrogates replaced, objects by `snapshot.plain`.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from .snapshot import plain

Dumps = Callable[[object], bytes]


def slow_dumps(value: object) -> bytes:
    """JSON by the standard library. Raises ValueError or TypeError for what has no JSON."""
    text = json.dumps(value, default=plain, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "replace")


def fast_dumps() -> Dumps | None:
    """JSON by orjson, or None where it is not installed."""
    try:
        import orjson
    except ImportError:
        return None
    options = (
        orjson.OPT_PASSTHROUGH_DATACLASS
        | orjson.OPT_PASSTHROUGH_DATETIME
        | orjson.OPT_PASSTHROUGH_SUBCLASS
    )

    def dumps(value: object) -> bytes:
        try:
            return orjson.dumps(value, plain, options)
        except (TypeError, ValueError):  # surrogates, integers over 64 bits, deep nesting
            return slow_dumps(value)

    return dumps


def best_dumps() -> Dumps:
    """The fastest that is installed."""
    return fast_dumps() or slow_dumps
