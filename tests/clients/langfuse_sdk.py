"""Langfuse's SDK, decorator and OpenAI wrapper, pointed at us by its own variables."""

from langfuse import get_client, observe, propagate_attributes
from langfuse.openai import OpenAI

client = OpenAI(api_key="k", max_retries=0)


@observe()
def ask(question: str) -> str:
    answer = client.chat.completions.create(
        model="gpt-x", messages=[{"role": "user", "content": question}]
    )
    return answer.choices[0].message.content or ""


with propagate_attributes(session_id="s1", user_id="u1"):
    ask("What is drift?")
get_client().flush()
get_client().shutdown()
