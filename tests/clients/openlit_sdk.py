"""OpenLIT: one call, then the OpenAI client as ever."""

import openlit
from openai import OpenAI

openlit.init(application_name="shop", environment="production", disable_metrics=True)
with openlit.start_trace("ask") as trace:
    OpenAI(api_key="k", max_retries=0).chat.completions.create(
        model="gpt-x", messages=[{"role": "user", "content": "What is drift?"}], user="u1"
    )
    trace.set_metadata({"session.id": "s1"})
