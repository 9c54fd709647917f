"""Log every call of an Anthropic client, streamed ones too.

    pip install anthropic
    DRIFTLINE_URL=http://127.0.0.1:8400 DRIFTLINE_API_KEY=sk-dl-... \\
        python examples/with_anthropic.py

ANTHROPIC_API_KEY (and ANTHROPIC_BASE_URL, for another server of that wire) say whom to ask.
"""

from __future__ import annotations

import os

from anthropic import Anthropic

import driftline

MODEL = os.environ.get("ANTHROPIC_MODEL", "claude-sonnet-5")


def main() -> None:
    driftline.init(environment="examples")
    client = driftline.wrap_anthropic(Anthropic())
    question = {"role": "user", "content": "What is drift?"}
    with driftline.span("turn", session_id="chat-1", user_id="ada"):
        answer = client.messages.create(model=MODEL, max_tokens=256, messages=[question])
        print(answer.content[0].text)
        with client.messages.stream(model=MODEL, max_tokens=256, messages=[question]) as stream:
            for text in stream.text_stream:
                print(text, end="", flush=True)
    driftline.flush()
    print(driftline.stats())


if __name__ == "__main__":
    main()
