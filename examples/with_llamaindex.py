"""Log LlamaIndex: a query, what it retrieved, what the model was asked and said.

    pip install llama-index-core llama-index-llms-openai
    DRIFTLINE_URL=http://127.0.0.1:8400 DRIFTLINE_API_KEY=sk-dl-... \\
        python examples/with_llamaindex.py

OPENAI_API_KEY (and OPENAI_API_BASE, for another server of that wire) say whom to ask.
"""

from __future__ import annotations

import os

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.llms.openai import OpenAI

import driftline

MODEL = os.environ.get("OPENAI_MODEL", "gpt-4o")
PASSAGE = "A drift is a change of the distribution of inputs or outputs over time."


def main() -> None:
    driftline.init(environment="examples")
    driftline.instrument_llamaindex()
    index = VectorStoreIndex.from_documents(
        [Document(text=PASSAGE)],
        embed_model=MockEmbedding(8),  # stands for your embedding model
    )
    with driftline.span("turn", session_id="chat-1", user_id="ada"):
        print(index.as_query_engine(llm=OpenAI(model=MODEL)).query("What is drift?"))
    driftline.flush()
    print(driftline.stats())


if __name__ == "__main__":
    main()
