"""`wrap_openai(client)`: log every model call of an OpenAI client, streamed ones too.

The client's methods are wrapped in place; arguments, results, errors and types stay what they are.
Nothing of the `openai` package is imported: any client with `chat.completions.create` or
`responses.create` will do, sync or async.
"""

from __future__ import annotations

import urllib.parse
from typing import TypeVar

from . import openai_chat, openai_embeddings, openai_responses
from .guard import swallow
from .wrap import reach, wrap_copy, wrap_method

C = TypeVar("C")
SURFACES = (
    (("chat", "completions"), openai_chat.READER),
    (("beta", "chat", "completions"), openai_chat.READER),
    (("responses",), openai_responses.READER),
    (("embeddings",), openai_embeddings.READER),
)
METHODS = ("create", "parse")
COPIES = ("with_options", "copy")


def wrap_openai(client: C) -> C:
    """Log the calls of `client` from now on; returns the same client. Twice is once.

    Copies made by `client.with_options(...)` are wrapped too. Token usage of a stream is known
    only when the app asks for it (`stream_options={"include_usage": True}`).
    """
    try:
        provider = _provider(client)
        for path, reader in SURFACES:
            owner = reach(client, path)
            for method in METHODS if owner is not None else ():
                wrap_method(owner, method, reader, provider)
        for method in COPIES:
            wrap_copy(client, method, wrap_openai)
    except Exception as error:
        swallow(error, "wrap_openai")
    return client


def _provider(client: object) -> str:
    """Who answers: openai, azure, or the host of the base URL."""
    host = urllib.parse.urlsplit(str(getattr(client, "base_url", ""))).netloc
    if "azure" in type(client).__name__.lower() or "azure" in host:
        return "azure"
    return "openai" if not host or host.endswith("openai.com") else host
