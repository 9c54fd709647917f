"""traceloop-sdk (OpenLLMetry): one call, a workflow, the OpenAI client as ever."""

from openai import OpenAI
from traceloop.sdk import Traceloop
from traceloop.sdk.decorators import workflow

Traceloop.init(app_name="shop", disable_batch=True, telemetry_enabled=False)
Traceloop.set_association_properties({"session_id": "s1", "user_id": "u1"})


@workflow(name="ask")
def ask(question: str) -> str:
    answer = OpenAI(api_key="k", max_retries=0).chat.completions.create(
        model="gpt-x", messages=[{"role": "user", "content": question}]
    )
    return answer.choices[0].message.content or ""


ask("What is drift?")
