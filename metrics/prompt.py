"""What an event asked: the texts that metrics call *prompt* and *question*."""

from __future__ import annotations

from driftline.sdk.records import Event


def prompt_text(event: Event) -> str:
    """The messages' contents without roles, a line end between them, and no retrieved context."""
    return "\n".join(message.content for message in event.input)


def question(event: Event) -> str:
    """What the user asked last; the whole prompt when no message is a user's."""
    asked = [message.content for message in event.input if message.role == "user"]
    return asked[-1] if asked else prompt_text(event)
