"""Log every call that LiteLLM makes, whoever the provider is.

    pip install litellm
    DRIFTLINE_URL=http://127.0.0.1:8400 DRIFTLINE_API_KEY=sk-dl-... \\
        python examples/with_litellm.py

LITELLM_MODEL says whom to ask (`openai/gpt-4o`); the provider's own variables hold its key.
"""

from __future__ import annotations

import os
import time

import litellm

import driftline

MODEL = os.environ.get("LITELLM_MODEL", "openai/gpt-4o")
DEADLINE_SECONDS = 10.0


def main() -> None:
    driftline.init(environment="examples")
    litellm.callbacks = [driftline.litellm_callback()]
    messages = [{"role": "user", "content": "What is drift?"}]
    about = {"session_id": "chat-1", "user_id": "ada", "tags": ["example"]}
    answer = litellm.completion(model=MODEL, messages=messages, metadata=about)
    print(answer.choices[0].message.content)
    for chunk in litellm.completion(model=MODEL, messages=messages, metadata=about, stream=True):
        print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()
    # LiteLLM calls its callbacks in the background. A server need not wait; this script must.
    until = time.monotonic() + DEADLINE_SECONDS
    while driftline.flush() and driftline.stats().accepted < 2 and time.monotonic() < until:
        time.sleep(0.05)
    print(driftline.stats())


if __name__ == "__main__":
    main()
