"""Values as other tools write them: times, numbers, JSON inside of texts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

MICROSECONDS = 1_000_000


class BadRow(Exception):
    """A row that cannot be imported. `field` says where; the message says why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def microseconds(value: Any, field: str) -> int | None:
    """Since the Unix epoch; None for nothing. Raises BadRow.

    ISO 8601 (without a zone: UTC), or a number of seconds, milliseconds, microseconds or
    nanoseconds, told apart by its size.
    """
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, datetime):
        return _of(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _scaled(float(value))
    text = str(value).strip()
    try:
        return _scaled(float(text))
    except ValueError:
        pass
    try:
        return _of(datetime.fromisoformat(text))
    except ValueError:
        raise BadRow(field, f"{field} is not a time") from None


def _of(time: datetime) -> int:
    whole = (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    return round(whole.timestamp() * MICROSECONDS)


def _scaled(number: float) -> int:
    """A second count of this century has ten digits; each unit three more."""
    for limit, factor in ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0)):
        if abs(number) < limit:
            return round(number * factor)
    return round(number / 1e3)


def number(value: Any, field: str) -> float | None:
    """A finite number; None for nothing. Raises BadRow."""
    if value is None or value == "":
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise BadRow(field, f"{field} is not a number") from None
    return found if math.isfinite(found) else None


def count(value: Any, field: str) -> int | None:
    """A whole number that is not negative; None for nothing. Raises BadRow."""
    found = number(value, field)
    if found is None:
        return None
    if found < 0 or found != int(found):
        raise BadRow(field, f"{field} is not a whole number, 0 or more")
    return int(found)


def parsed(value: Any) -> Any:
    """A text that is a JSON object or list as what it says; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def texts(value: Any) -> list[str]:
    """A list of texts from a list, a JSON list or one text; objects give their content."""
    found = parsed(value)
    if found is None or found == "":
        return []
    items = found if isinstance(found, list) else [found]
    return [_text(item) for item in items]


def _text(item: Any) -> str:
    if isinstance(item, Mapping):
        for name in ("content", "text", "page_content", "document.content"):
            if isinstance(item.get(name), str):
                return str(item[name])
        if isinstance(item.get("document"), Mapping):
            return _text(item["document"])
    return item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)


def compact(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}
