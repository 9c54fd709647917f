"""The SDK's settings: arguments of `init` over environment variables over defaults, read once.

| argument | variable | default | |
|---|---|---|---|
| url | DRIFTLINE_URL | | the collector, http(s)://host[:port] |
| api_key | DRIFTLINE_API_KEY | | a key with the scope `ingest` |
| project | DRIFTLINE_PROJECT | | for keys that span projects |
| environment | DRIFTLINE_ENVIRONMENT | default | production, staging, ... |
| release | DRIFTLINE_RELEASE | | your app's version |
| sample_rate | DRIFTLINE_SAMPLE_RATE | 1.0 | share of traces kept, decided at the root |
| enabled | DRIFTLINE_ENABLED | 1 | 0 switches everything off |
| flush_seconds | DRIFTLINE_FLUSH_SECONDS | 1.0 | longest wait before a batch is sent |
| max_queue | DRIFTLINE_MAX_QUEUE | 50000 | events waiting in memory; more are dropped and counted |
| durability | DRIFTLINE_DURABILITY | process | what a kill -9 leaves: process, call, none |
| spool_dir | DRIFTLINE_SPOOL_DIR | ~/.local/state/driftline/spool | where undelivered events wait |
| spool_max_bytes | DRIFTLINE_SPOOL_MAX_BYTES | 536870912 | more are dropped and counted |
| redact | DRIFTLINE_REDACT | | email,phone,card,iban,ip,key, or all: replaced in what is logged |
| redact_patterns, mask | | | regular expressions and a function of your own (docs/privacy.md) |
| tail | DRIFTLINE_TAIL_RATE, _ERRORS, _SLOW_MS | | which traces to keep (docs/sampling.md) |
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar, get_args

from .errors import ConfigError
from .event import Redact
from .guard import truth
from .tail import Tail

N = TypeVar("N", int, float)
Durability = Literal["process", "call", "none"]

FLUSH_SECONDS = 1.0
MAX_QUEUE = 50_000
MAX_QUEUE_BYTES = 128 << 20
SPOOL_MAX_BYTES = 512 << 20
TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What `init` decided. `why_off` says in words why nothing will be sent, "" when it will."""

    url: str = ""
    api_key: str = field(default="", repr=False)
    project: str = ""
    environment: str = "default"
    release: str = ""
    sample_rate: float = 1.0
    enabled: bool = True
    flush_seconds: float = FLUSH_SECONDS
    max_queue: int = MAX_QUEUE
    max_queue_bytes: int = MAX_QUEUE_BYTES
    timeout_seconds: float = TIMEOUT_SECONDS
    durability: str = "process"
    spool_dir: str = ""
    spool_max_bytes: int = SPOOL_MAX_BYTES
    redactor: Redact | None = field(default=None, repr=False)
    tail: Tail | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.sample_rate <= 1.0:
            raise ConfigError("sample_rate (DRIFTLINE_SAMPLE_RATE) must be from 0 to 1")
        if not 0.0 <= self.flush_seconds <= 3600.0:
            raise ConfigError("flush_seconds (DRIFTLINE_FLUSH_SECONDS) must be from 0 to 3600")
        if self.max_queue < 1:
            raise ConfigError("max_queue (DRIFTLINE_MAX_QUEUE) must be at least 1")
        if self.durability not in get_args(Durability):
            raise ConfigError("durability (DRIFTLINE_DURABILITY) must be process, call or none")
        if self.spool_max_bytes < 1:
            raise ConfigError("spool_max_bytes (DRIFTLINE_SPOOL_MAX_BYTES) must be at least 1")
        if self.url:
            _check_url(self.url)

    @property
    def why_off(self) -> str:
        if not self.enabled:
            return "it is disabled"
        if not self.url:
            return "no collector: set DRIFTLINE_URL"
        return "" if self.api_key else "no key: set DRIFTLINE_API_KEY"


def read_settings(
    environ: Mapping[str, str],
    *,
    url: str | None = None,
    api_key: str | None = None,
    project: str | None = None,
    environment: str | None = None,
    release: str | None = None,
    sample_rate: float | None = None,
    enabled: bool | None = None,
    flush_seconds: float | None = None,
    max_queue: int | None = None,
    durability: Durability | None = None,
    spool_dir: str | None = None,
    spool_max_bytes: int | None = None,
    redact: Sequence[str] | None = None,
    redact_patterns: Sequence[str] | None = None,
    mask: Callable[[str], str] | None = None,
    tail: Tail | None = None,
) -> Settings:
    """Settings from the arguments given, else from `environ`. Raises ConfigError."""

    def text(name: str, given: str | None, default: str = "") -> str:
        return given if given is not None else environ.get(f"DRIFTLINE_{name}", "") or default

    on = enabled if enabled is not None else truth(environ.get("DRIFTLINE_ENABLED", "1"))
    return Settings(
        url=text("URL", url).rstrip("/"),
        api_key=text("API_KEY", api_key),
        project=text("PROJECT", project),
        environment=text("ENVIRONMENT", environment, "default"),
        release=text("RELEASE", release),
        sample_rate=_number(environ, "SAMPLE_RATE", sample_rate, 1.0, float),
        enabled=on,
        flush_seconds=_number(environ, "FLUSH_SECONDS", flush_seconds, FLUSH_SECONDS, float),
        max_queue=_number(environ, "MAX_QUEUE", max_queue, MAX_QUEUE, int),
        durability=text("DURABILITY", durability, "process"),
        spool_dir=text("SPOOL_DIR", spool_dir),
        spool_max_bytes=_number(environ, "SPOOL_MAX_BYTES", spool_max_bytes, SPOOL_MAX_BYTES, int),
        redactor=_redactor(
            redact if redact is not None else text("REDACT", None), redact_patterns or (), mask
        ),
        tail=tail or _tail(environ),
    )


def _redactor(
    kinds: Sequence[str], patterns: Sequence[str], mask: Callable[[str], str] | None
) -> Redact | None:
    """What replaces personal data; None when nothing is asked for. `kinds` may be one text."""
    named = kinds.split(",") if isinstance(kinds, str) else kinds
    wanted = [kind.strip() for kind in named if kind.strip()]
    if not wanted and not patterns and mask is None:
        return None
    from .redact import Redactor  # an app that does not redact does not pay for its imports

    try:
        return Redactor(wanted, patterns, mask)
    except ValueError as error:
        raise ConfigError(f"redact (DRIFTLINE_REDACT): {error}") from None


def _tail(environ: Mapping[str, str]) -> Tail | None:
    """The tail rules of the environment; None without DRIFTLINE_TAIL_RATE."""
    if not environ.get("DRIFTLINE_TAIL_RATE"):
        return None
    slow_ms = _number(environ, "TAIL_SLOW_MS", None, 0.0, float)
    return Tail(
        rate=_number(environ, "TAIL_RATE", None, 1.0, float),
        errors=truth(environ.get("DRIFTLINE_TAIL_ERRORS", "1")),
        slow_ms=slow_ms or None,
    )


def _number(
    environ: Mapping[str, str], name: str, given: N | None, default: N, kind: Callable[[str], N]
) -> N:
    if given is not None:
        return given
    text = environ.get(f"DRIFTLINE_{name}", "")
    try:
        return kind(text) if text else default
    except ValueError:
        raise ConfigError(f"DRIFTLINE_{name} must be a number") from None


def _check_url(url: str) -> None:
    message = f"collector URL {url!r} (DRIFTLINE_URL) is not http(s)://host[:port]"
    try:
        parts = urllib.parse.urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = None
    if not valid:
        raise ConfigError(message)
