"""The prompts of a canary: one JSON value a line, a string or messages."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from driftline.sdk.errors import ConfigError
from driftline.sdk.records import Message


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked. `key` is made of its words: the same prompt has it in every run."""

    key: str
    messages: tuple[Message, ...]

    @property
    def text(self) -> str:
        """The messages' contents, a line end between them."""
        return "\n".join(message.content for message in self.messages)


def read_prompts(path: Path) -> list[Prompt]:
    """The prompts of a file: `"text"`, `[{"role", "content"}]`, or either under `input`.

    A prompt that comes twice is asked once. Raises ConfigError with the line that is wrong.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    found: dict[str, Prompt] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            prompt = _prompt(line, f"{path}, line {number}")
            found[prompt.key] = prompt
    if not found:
        raise ConfigError(f"{path} holds no prompt: one JSON value a line, such as a string")
    return list(found.values())


def fingerprint(*words: str) -> str:
    """16 hex digits of some texts."""
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:16]


def _prompt(line: str, where: str) -> Prompt:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise ConfigError(f"{where} is not JSON: {error}") from error
    asked = value.get("input") if isinstance(value, dict) else value
    if isinstance(asked, str) and asked.strip():
        messages: tuple[Message, ...] = (Message("user", asked),)
    elif isinstance(asked, list) and asked and all(map(_is_message, asked)):
        messages = tuple(Message(item["role"], item["content"]) for item in asked)
    else:
        wanted = 'a string, a list of {"role", "content"}, or an object with one of them as "input"'
        raise ConfigError(f"{where} is no prompt: {wanted}")
    words = [part for message in messages for part in (message.role, message.content)]
    return Prompt(fingerprint(*words), messages)


def _is_message(item: object) -> bool:
    return isinstance(item, dict) and all(
        isinstance(item.get(name), str) for name in ("role", "content")
    )
