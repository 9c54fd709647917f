"""Numbers and times as people read them: units always, "not enough data" instead of a guess."""

from __future__ import annotations

NONE = "not enough data"


def count(value: int) -> str:
    """1234567 as 1,234,567."""
    return f"{value:,}"


def share(part: int, whole: int) -> str:
    """A percentage, or NONE of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else NONE


def milliseconds(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:,.0f} ms" if value < 10_000 else f"{value / 1000:,.1f} s"


def dollars(value: float | None) -> str:
    if value is None:
        return "no price"
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.4f}"


def number(value: float | None, digits: int = 3) -> str:
    return (
        NONE if value is None else f"{value:,.{digits}g}" if abs(value) < 1000 else f"{value:,.0f}"
    )


def p_value(value: float | None) -> str:
    if value is None:
        return NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def when(time: str) -> str:
    """An RFC 3339 time as 2026-11-21 05:23:34 UTC."""
    return f"{time[:10]} {time[11:19]} UTC" if time else "–"


def short(identifier: str) -> str:
    """The end of an id: UUIDv7s begin alike."""
    return f"…{identifier[-8:]}" if len(identifier) > 10 else identifier
