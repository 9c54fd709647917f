"""Spans of 2 KB in and 2 KB out, cut from the demo's real questions and answers."""

from __future__ import annotations

import gzip
import json
import os
import random
import time
from importlib.resources import files
from uuid import UUID

TEXT_CHARS = 2048
Span = dict[str, object]


def uuid7(milliseconds: int, rng: random.Random) -> str:
    """A UUIDv7 of that time (RFC 9562, 5.7)."""
    bits = (milliseconds << 80) | (7 << 76) | (rng.getrandbits(12) << 64)
    return str(UUID(int=bits | (2 << 62) | rng.getrandbits(62)))


class Spans:
    """An endless stream of spans, all different; the same `seed` gives the same texts."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        data = files("driftline.demo") / "data" / "ragtruth_demo.jsonl.gz"
        lines = gzip.decompress(data.read_bytes()).decode().splitlines()
        self._corpus = " ".join(" ".join(_texts(json.loads(line))) for line in lines)

    def one(self, milliseconds: int = 0) -> Span:
        """A span that began at `milliseconds` since the epoch, or now."""
        at = milliseconds or time.time_ns() // 1_000_000
        rng = self._rng
        return {
            "id": uuid7(at, rng),
            "start_time": at * 1000,
            "end_time": at * 1000 + rng.randrange(200_000, 3_000_000),
            "session_id": f"session-{rng.randrange(10_000)}",
            "user_id": f"user-{rng.randrange(2_000)}",
            "name": "answer",
            "model": rng.choice(("gpt-4o-mini", "claude-sonnet-4", "llama-3-8b")),
            "input": [{"role": "user", "content": self._text()}],
            "output": self._text(),
            "usage": {"input": rng.randrange(300, 700), "output": rng.randrange(300, 700)},
            "tags": ["bench"],
            "metadata": {"region": rng.choice(("eu", "us")), "host": f"web-{rng.randrange(8)}"},
        }

    def _text(self) -> str:
        start = self._rng.randrange(len(self._corpus) - TEXT_CHARS)
        return self._corpus[start : start + TEXT_CHARS]


def body(spans: list[Span]) -> bytes:
    """Spans as a request's gzip body, as a cheap sender makes it."""
    lines = "\n".join(json.dumps(span) for span in spans)
    return gzip.compress(lines.encode(), 1, mtime=0)


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value] if len(value) > 100 else []
    if isinstance(value, dict):
        value = list(value.values())
    return [text for item in value for text in _texts(item)] if isinstance(value, list) else []


def seed() -> int:
    """Another one for each process."""
    return int.from_bytes(os.urandom(4), "big")
