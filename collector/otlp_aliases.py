"""Under which attribute names instrumentations report what: data, newest name first.

- OpenTelemetry GenAI, https://opentelemetry.io/schemas/gen-ai/1.42.0, and its deprecated names
  (semantic-conventions 1.27 to 1.36: `gen_ai.system`, `gen_ai.usage.prompt_tokens`, …)
- OpenInference (Arize Phoenix): `llm.*`, `input.value`, `openinference.span.kind`
- OpenLLMetry (Traceloop): `traceloop.*`, `llm.usage.*`, `gen_ai.prompt.N.content`
- Vercel AI SDK: `ai.*` · Langfuse: `langfuse.*` · OpenLIT: GenAI names and a few of its own
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

TRACELOOP = "traceloop.association.properties."
VERCEL = "ai.telemetry.metadata."

# Columns that are one text.
TEXTS: Mapping[str, Sequence[str]] = {
    "model": (
        "langfuse.observation.model.name",
        "gen_ai.response.model",
        "gen_ai.request.model",
        "llm.response.model",
        "llm.request.model",
        "llm.model_name",
        "embedding.model_name",
        "reranker.model_name",
        "ai.response.model",
        "ai.model.id",
    ),
    "provider": (
        "gen_ai.provider.name",
        "gen_ai.system",
        "llm.provider",
        "llm.system",
        "llm.vendor",
        "ai.model.provider",
    ),
    "session_id": (
        "session.id",
        "gen_ai.conversation.id",
        "langfuse.session.id",
        f"{TRACELOOP}session_id",
        f"{TRACELOOP}chat_id",
        f"{VERCEL}sessionId",
    ),
    "user_id": (
        "user.id",
        "langfuse.user.id",
        "enduser.id",
        f"{TRACELOOP}user_id",
        f"{VERCEL}userId",
        "gen_ai.request.user",
        "llm.user",
    ),
    "prompt_name": (
        "langfuse.observation.prompt.name",
        "gen_ai.prompt.name",
        "traceloop.prompt.key",
        "llm.prompt_template.name",
    ),
    "prompt_version": (
        "langfuse.observation.prompt.version",
        "gen_ai.prompt.version",
        "traceloop.prompt.version",
        "llm.prompt_template.version",
    ),
    "environment": (
        "langfuse.environment",
        "deployment.environment.name",
        "deployment.environment",
    ),
    "release": ("langfuse.release", "langfuse.version", "service.version"),
    "variant": ("driftline.variant",),
}

# Token counts. `input` includes what came from a cache.
USAGE: Mapping[str, Sequence[str]] = {
    "input": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
        "llm.usage.prompt_tokens",
        "ai.usage.inputTokens",
        "ai.usage.promptTokens",
        "ai.usage.tokens",
    ),
    "output": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "llm.usage.completion_tokens",
        "ai.usage.outputTokens",
        "ai.usage.completionTokens",
    ),
    "input_cached": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
        "llm.usage.cache_read_input_tokens",
        "ai.usage.cachedInputTokens",
    ),
    "input_cache_write": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
        "llm.usage.cache_creation_input_tokens",
    ),
    "reasoning": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "llm.usage.reasoning_tokens",
        "ai.usage.reasoningTokens",
    ),
}
COST = ("gen_ai.usage.cost", "gen_ai.usage.total_cost", "llm.cost.total", "ai.usage.cost")
# What Langfuse's usage map calls things; its `input` excludes every other kind of input.
LANGFUSE_USAGE: Mapping[str, Sequence[str]] = {
    "input_cached": ("cache_read_input_tokens", "input_cached_tokens", "input_cache_read"),
    "input_cache_write": ("cache_creation_input_tokens", "input_cache_creation"),
    "reasoning": ("output_reasoning_tokens", "reasoning_tokens"),
}

# The first that is there is the text; the first three kinds hold messages.
INPUT = (
    "langfuse.observation.input",
    "gen_ai.input.messages",
    "ai.prompt.messages",
    "ai.prompt",
    "input.value",
    "gen_ai.tool.call.arguments",
    "ai.toolCall.args",
    "gen_ai.retrieval.query.text",
    "traceloop.entity.input",
    "gen_ai.prompt",
    "ai.value",
    "embedding.text",
)
OUTPUT = (
    "langfuse.observation.output",
    "gen_ai.output.messages",
    "ai.response.text",
    "ai.response.object",
    "ai.response.toolCalls",
    "ai.result.text",
    "output.value",
    "gen_ai.tool.call.result",
    "ai.toolCall.result",
    "traceloop.entity.output",
    "gen_ai.completion",
)
SYSTEM = "gen_ai.system_instructions"
# Messages spelt out attribute by attribute: prefix, then N, then these ends.
INDEXED_INPUT = ("llm.input_messages.", "gen_ai.prompt.", "llm.prompts.")
INDEXED_OUTPUT = ("llm.output_messages.", "gen_ai.completion.", "llm.completions.")
DOCUMENTS = ("retrieval.documents.", "reranker.output_documents.")
DOCUMENT_LISTS = ("gen_ai.retrieval.documents",)
MESSAGE_EVENTS = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
CHOICE_EVENT = "gen_ai.choice"
CONTENT_EVENTS = {
    "gen_ai.content.prompt": ("input", "gen_ai.prompt"),
    "gen_ai.content.completion": ("output", "gen_ai.completion"),
}
DETAILS_EVENT = "gen_ai.client.inference.operation.details"
EVALUATION_EVENT = "gen_ai.evaluation.result"
EXCEPTION_EVENT = "exception"
FIRST_TOKEN_EVENTS = frozenset({"First Token Stream Event", "ai.stream.firstChunk"})

# Time to the first token, and its unit in milliseconds.
FIRST_TOKEN: Mapping[str, float] = {
    "gen_ai.response.time_to_first_chunk": 1000.0,
    "gen_ai.server.time_to_first_token": 1000.0,
    "gen_ai.client.time_to_first_token": 1000.0,
    "ai.response.msToFirstChunk": 1.0,
    "llm.time_to_first_token_ms": 1.0,
}
FIRST_TOKEN_AT = "langfuse.observation.completion_start_time"

TAGS = ("langfuse.trace.tags", "tag.tags", f"{TRACELOOP}tags")
METADATA = ("metadata", "langfuse.observation.metadata", "langfuse.trace.metadata")
METADATA_PREFIXES = (
    "langfuse.observation.metadata.",
    "langfuse.trace.metadata.",
    TRACELOOP,
    VERCEL,
    "metadata.",
)

# What kind of span it is, by the value of the first of these attributes that is there.
KINDS: Mapping[str, Mapping[str, str]] = {
    "langfuse.observation.type": {
        "generation": "llm",
        "embedding": "embedding",
        "tool": "tool",
        "retriever": "retrieval",
        "agent": "agent",
        "*": "chain",
    },
    "openinference.span.kind": {
        "llm": "llm",
        "embedding": "embedding",
        "retriever": "retrieval",
        "reranker": "retrieval",
        "tool": "tool",
        "agent": "agent",
        "*": "chain",
    },
    "gen_ai.operation.name": {
        "chat": "llm",
        "text_completion": "llm",
        "generate_content": "llm",
        "embeddings": "embedding",
        "retrieval": "retrieval",
        "execute_tool": "tool",
        "create_agent": "agent",
        "invoke_agent": "agent",
        "*": "chain",
    },
    "traceloop.span.kind": {"agent": "agent", "tool": "tool", "*": "chain"},
    "llm.request.type": {"embedding": "embedding", "rerank": "retrieval", "*": "llm"},
    "ai.operationId": {
        "ai.generateText.doGenerate": "llm",
        "ai.streamText.doStream": "llm",
        "ai.generateObject.doGenerate": "llm",
        "ai.streamObject.doStream": "llm",
        "ai.embed.doEmbed": "embedding",
        "ai.embedMany.doEmbed": "embedding",
        "ai.toolCall": "tool",
        "*": "chain",
    },
}
# A span with an attribute of these is about a language model.
SCOPE_PREFIXES = (
    *("gen_ai.", "llm.", "openinference.", "traceloop.", "ai.", "langfuse."),
    *("retrieval.", "reranker.", "embedding.", "input.", "output.", "driftline."),
)
# Left out of `metadata`: they only say what columns say already.
SAID = frozenset({"telemetry.sdk.language", "telemetry.sdk.name", "telemetry.sdk.version"})
