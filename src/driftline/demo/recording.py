"""Recorded traffic: what a replay reads, and when each event is said to have happened."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import cast

from driftline.sdk.errors import ConfigError
from driftline.sdk.fields import NAMES, NamedFields

DEMO_FILE = "ragtruth_demo.jsonl.gz"
LARGE, SMALL = "llama-2-70b-chat", "llama-2-7b-chat"
SERVED_NAME = "support-assistant"  # what the app calls its model, before and after
CHANGE = ("baseline", "calm", "changed")
NO_CHANGE = ("baseline", "calm", "control")
PIECE = re.compile(r"\w+|[^\w\s]")
SECONDS_PER_WORD = 0.03  # a plausible latency: 30 ms a generated piece
HALF_SECOND = 0.5

# The SDK makes these itself (docs/api.md): ids from the event's id, weights from its sampling.
NOT_LOGGED = frozenset({"id", "type", "start_time", "end_time", "span_id", "sample_weight"})
LINKS = frozenset({"trace_id", "parent_id"})


@dataclass(frozen=True, slots=True)
class Recording:
    """One event without id and times. `offset` is its place in time, in any unit, or None."""

    key: str
    phase: str
    fields: NamedFields
    seconds: float
    offset: float | None = None
    hallucinated: bool | None = None
    span_id: str = ""
    trace_id: str = ""
    parent_id: str = ""


@dataclass(frozen=True, slots=True)
class Planned:
    """A recording with its id, its place in a trace and its time in this run."""

    id: str
    trace_id: str
    parent_id: str
    start: dt.datetime
    end: dt.datetime
    recording: Recording


def tokens(text: str) -> int:
    """Words and punctuation marks: within some 15 % of a BPE count on English prose."""
    return len(PIECE.findall(text))


# -------------------------------------------------------------------- reading


def demo_recordings(change: bool) -> list[Recording]:
    """The demo's traffic, with the silent change or without, in the order of its phases."""
    with as_file(files(__package__) / "data" / DEMO_FILE) as path:
        return read(path, change)


def read(path: Path, change: bool) -> list[Recording]:
    """The events of a JSONL file (or .gz): the demo's rows, or events of the wire (docs/api.md).

    Raises ConfigError with the line when one is neither.
    """
    rows = list(_lines(path))
    if not rows:
        raise ConfigError(f"{path} holds no events")
    if all("phase" in row for row in rows):
        phases = CHANGE if change else NO_CHANGE
        kept = [row for row in rows if row["phase"] in phases]
        return [_from_question(r) for r in sorted(kept, key=lambda r: phases.index(r["phase"]))]
    return [_from_event(row, number) for number, row in enumerate(rows, 1)]


def _lines(path: Path) -> Iterator[dict[str, object]]:
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
    except (OSError, ValueError, EOFError) as error:
        raise ConfigError(f"{path} cannot be read as UTF-8 JSON lines: {error}") from error
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _object(line, f"{path} line {number}")


def _object(line: str, place: str) -> dict[str, object]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ConfigError(f"{place} is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise ConfigError(f"{place} is not a JSON object")
    return row


def _from_question(row: dict[str, object]) -> Recording:
    """One question as the app would log it: always under the same model name."""
    model = SMALL if row["phase"] == "changed" else LARGE
    answers, passages = row["answers"], row["passages"]
    assert isinstance(answers, dict) and isinstance(passages, list)
    answer = answers[model]
    question, text = str(row["question"]), str(answer["text"])
    prompt_tokens = tokens(question) + sum(tokens(passage) for passage in passages)
    fields: NamedFields = {
        "kind": "llm",
        "name": "answer-question",
        "model": SERVED_NAME,
        "provider": "self-hosted",
        "input": [{"role": "user", "content": question}],
        "context": passages,
        "output": text,
        "usage": {"input": prompt_tokens, "output": tokens(text)},
        "metadata": {"ragtruth_id": str(answer["id"]), "ragtruth_split": str(row["split"])},
    }
    return Recording(
        key=str(answer["id"]),
        phase=str(row["phase"]),
        fields=fields,
        seconds=HALF_SECOND + SECONDS_PER_WORD * tokens(text),
        hallucinated=bool(answer["hallucinated"]),
    )


def _from_event(row: dict[str, object], number: int) -> Recording:
    start, end = _time(row.get("start_time"), number), _time(row.get("end_time"), number)
    own_id = str(row.get("id") or number)
    fields = {k: v for k, v in row.items() if k not in NOT_LOGGED | LINKS}
    if unknown := fields.keys() - NAMES:
        raise ConfigError(f"line {number}: unknown event field {min(unknown)!r} (docs/api.md)")
    return Recording(
        key=own_id,
        phase="recorded",
        fields=cast(NamedFields, fields),
        span_id=str(row.get("span_id") or own_id.replace("-", "")[-16:]),
        trace_id=str(row.get("trace_id") or ""),
        parent_id=str(row.get("parent_id") or ""),
        seconds=max(0.0, end - start) if start is not None and end is not None else 0.0,
        offset=start,
    )


def _time(value: object, number: int) -> float | None:
    """Unix seconds of RFC 3339 or integer microseconds."""
    if value is None or isinstance(value, int):
        return None if value is None else value / 1e6
    try:
        return dt.datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        raise ConfigError(f"line {number}: {value!r} is not a time") from None


# ------------------------------------------------------------------- planning


def plan(
    recordings: Sequence[Recording], run: str, end: dt.datetime, spread_seconds: float
) -> list[Planned]:
    """Ids and times for one run: the same run gives the same ids, so sending again counts once.

    Recorded times are squeezed into the `spread_seconds` before `end`; without them the events are
    spread evenly. Starts are at least 1 ms apart, so that the order of ids is the order of events.
    """
    ordered = (
        sorted(recordings, key=lambda r: r.offset or 0.0) if _timed(recordings) else recordings
    )
    shares = _shares(ordered)
    begin = end.timestamp() - spread_seconds
    moments: list[int] = []
    for share in shares:
        earliest = moments[-1] + 1 if moments else 0
        moments.append(max(earliest, round(1000 * (begin + share * spread_seconds))))
    ids = [event_id(ms, run, r.key) for ms, r in zip(moments, ordered, strict=True)]
    spans = {r.span_id: _span_id(made) for made, r in zip(ids, ordered, strict=True) if r.span_id}
    places = zip(ids, moments, ordered, strict=True)
    return [_planned(made, ms, recording, run, spans) for made, ms, recording in places]


def _planned(
    made: str, milliseconds: int, recording: Recording, run: str, spans: Mapping[str, str]
) -> Planned:
    """Links between events follow them to their new ids."""
    start = dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
    trace = hashlib.sha256(f"{run}\0{recording.trace_id}".encode()).hexdigest()[:32]
    return Planned(
        id=made,
        trace_id=trace if recording.trace_id else "",
        parent_id=spans.get(recording.parent_id, ""),
        start=start,
        end=start + dt.timedelta(seconds=recording.seconds),
        recording=recording,
    )


def _span_id(made: str) -> str:
    """What the collector takes for the span id when none is sent."""
    return made.replace("-", "")[-16:]


def _timed(recordings: Sequence[Recording]) -> bool:
    return all(r.offset is not None for r in recordings)


def _shares(recordings: Sequence[Recording]) -> list[float]:
    """Where each event lies in [0, 1)."""
    count = len(recordings)
    offsets = [r.offset for r in recordings if r.offset is not None]
    if len(offsets) < count or offsets[-1] <= offsets[0]:
        return [i / count for i in range(count)]
    return [(o - offsets[0]) / (offsets[-1] - offsets[0]) * (1 - 1 / count) for o in offsets]


def event_id(milliseconds: int, run: str, key: str) -> str:
    """A UUIDv7 (RFC 9562) whose random part is a hash of the run and the row."""
    digest = int.from_bytes(hashlib.sha256(f"{run}\0{key}".encode()).digest()[:10])
    low = digest & ((1 << 62) - 1)
    high = (digest >> 62) & 0xFFF
    value = milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low
    return str(uuid.UUID(int=value))
