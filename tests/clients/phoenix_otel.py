"""arize-phoenix-otel with OpenInference's OpenAI instrumentation."""

from openai import OpenAI
from openinference.instrumentation import using_attributes
from openinference.instrumentation.openai import OpenAIInstrumentor
from phoenix.otel import register

provider = register(batch=True, set_global_tracer_provider=True, verbose=False)
OpenAIInstrumentor().instrument(tracer_provider=provider)
tracer = provider.get_tracer("shop")
with (
    using_attributes(session_id="s1", user_id="u1"),
    tracer.start_as_current_span("ask", openinference_span_kind="chain") as span,
):
    span.set_input("What is drift?")
    OpenAI(api_key="k", max_retries=0).chat.completions.create(
        model="gpt-x", messages=[{"role": "user", "content": "What is drift?"}]
    )
provider.shutdown()
