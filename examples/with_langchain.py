"""Log a LangChain chain: its retriever, its prompt, its model.

    pip install langchain-openai
    DRIFTLINE_URL=http://127.0.0.1:8400 DRIFTLINE_API_KEY=sk-dl-... \\
        python examples/with_langchain.py

OPENAI_API_KEY (and OPENAI_BASE_URL, for another server of that wire) say whom to ask.
"""

from __future__ import annotations

import os

from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnablePassthrough
from langchain_openai import ChatOpenAI

import driftline

MODEL = os.environ.get("OPENAI_MODEL", "gpt-4o")
PASSAGE = "A drift is a change of the distribution of inputs or outputs over time."


class Shelf(BaseRetriever):
    """Stands for your vector store."""

    def _get_relevant_documents(self, query: str, **_: object) -> list[Document]:
        return [Document(PASSAGE, metadata={"source": "glossary.md"})]


def main() -> None:
    driftline.init(environment="examples")
    prompt = ChatPromptTemplate.from_messages(
        [("system", "Answer from: {context}"), ("human", "{question}")]
    )
    sources = {"context": Shelf(), "question": RunnablePassthrough()}
    chain = sources | prompt | ChatOpenAI(model=MODEL) | StrOutputParser()
    config = {
        "callbacks": [driftline.langchain_handler()],
        "metadata": {"session_id": "chat-1", "user_id": "ada", "prompt_name": "glossary"},
    }
    for text in chain.stream("What is drift?", config=config):
        print(text, end="", flush=True)
    print()
    driftline.flush()
    print(driftline.stats())


if __name__ == "__main__":
    main()
