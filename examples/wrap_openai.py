"""Log every call of an OpenAI client, streamed ones too.

    pip install openai
    DRIFTLINE_URL=http://127.0.0.1:8400 DRIFTLINE_API_KEY=sk-dl-... python examples/wrap_openai.py

With OPENAI_BASE_URL (and OPENAI_API_KEY) it talks to that server: OpenAI, vLLM, llama.cpp, Ollama.
Without, it starts a tiny server that speaks the same wire, so that it runs offline.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from openai import OpenAI

import driftline
from driftline.sdk.testing import MemoryTransport

MODEL = os.environ.get("OPENAI_MODEL", "parrot-1")


class Parrot(BaseHTTPRequestHandler):
    """A chat model that repeats the last message."""

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        words = request["messages"][-1]["content"].split()
        if request.get("stream"):
            self.reply("text/event-stream", "".join(stream(words)))
        else:
            self.reply("application/json", json.dumps(completion(words)))

    def reply(self, content_type: str, text: str) -> None:
        data = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


def completion(words: list[str]) -> dict[str, object]:
    message = {"role": "assistant", "content": " ".join(words)}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": usage(words),
    }


def usage(words: list[str]) -> dict[str, int]:
    n = len(words)
    return {"prompt_tokens": n, "completion_tokens": n, "total_tokens": 2 * n}


def stream(words: list[str]) -> Iterator[str]:
    head = {"id": "chatcmpl-2", "object": "chat.completion.chunk", "created": 0, "model": MODEL}
    for word in words:
        choice = {"index": 0, "delta": {"content": word + " "}, "finish_reason": None}
        yield f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"
    yield f"data: {json.dumps({**head, 'choices': [], 'usage': usage(words)})}\n\n"
    yield "data: [DONE]\n\n"


def parrot_client() -> OpenAI:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Parrot)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return OpenAI(base_url=f"http://127.0.0.1:{server.server_address[1]}/v1", api_key="none")


@driftline.observe
def chat(client: OpenAI, question: str) -> str:
    """The model's calls inside become children of this span."""
    answer = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": question}]
    )
    pieces = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": f"Again: {question}"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in pieces:
        for choice in chunk.choices:
            print(choice.delta.content or "", end="", flush=True)
    print()
    return answer.choices[0].message.content or ""


def main() -> None:
    memory = MemoryTransport()
    driftline.init(transport=None if os.environ.get("DRIFTLINE_URL") else memory)
    client = OpenAI() if os.environ.get("OPENAI_BASE_URL") else parrot_client()
    print(chat(driftline.wrap_openai(client), "What changed in my model?"))
    driftline.flush()
    for event in memory.events:
        print(f"{event['kind']:6} {event['name']:16} usage {event.get('usage', {})}")
    print(driftline.stats())


if __name__ == "__main__":
    main()
