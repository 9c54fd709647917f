"""`driftline.langchain_handler()`: log LangChain's chains, models, tools and retrievers.

A callback handler: `chain.invoke(question, config={"callbacks": [handler]})`. Each run is a span
under its parent run's; passages that a retriever found are the `context` of the model calls that
follow in the same tree.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from . import context
from .context import Active
from .fields import Fields, Kind
from .langchain_messages import answer, conversation, model_call, shown
from .runs import Runs, named_in, rest_of

if TYPE_CHECKING:  # the SDK's import stays light
    from uuid import UUID

    Maybe = UUID | None

INTERNAL_TAGS = ("seq:step:", "map:key:", "langsmith:")


def langchain_handler() -> Any:
    """A LangChain `BaseCallbackHandler` that logs to Driftline. One serves all threads and tasks.

    Give a session, a user or a prompt's version with `config={"metadata": {"session_id": ...}}`,
    or with `driftline.using(...)` around the call; a `thread_id` of LangGraph is a session too.
    """
    base = importlib.import_module("langchain_core.callbacks").BaseCallbackHandler
    return type("DriftlineHandler", (_Hooks, base), {})()


class _Hooks:
    """LangChain calls these; the names are its own."""

    run_inline = True  # in the caller's task, in order: each takes microseconds
    raise_error = False
    _before: dict[UUID, tuple[Active, Active | None]]

    def __init__(self) -> None:
        super().__init__()
        self._runs = Runs("langchain")
        self._before = {}

    # ------------------------------------------------------------------ starts

    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: UUID, parent_run_id: Maybe = None, **kw: Any
    ) -> None:
        self._start("chain", serialized, shown(inputs), run_id, parent_run_id, kw)

    def on_chat_model_start(
        self,
        serialized: Any,
        messages: Sequence[Sequence[Any]],
        *,
        run_id: UUID,
        parent_run_id: Maybe = None,
        **kw: Any,
    ) -> None:
        asked = conversation(messages[0]) if messages else None
        self._start("llm", serialized, asked, run_id, parent_run_id, kw)

    def on_llm_start(
        self,
        serialized: Any,
        prompts: Sequence[str],
        *,
        run_id: UUID,
        parent_run_id: Maybe = None,
        **kw: Any,
    ) -> None:
        asked = prompts[0] if len(prompts) == 1 else list(prompts)
        self._start("llm", serialized, asked, run_id, parent_run_id, kw)

    def on_tool_start(
        self,
        serialized: Any,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: Maybe = None,
        inputs: Any = None,
        **kw: Any,
    ) -> None:
        self._start("tool", serialized, inputs or input_str, run_id, parent_run_id, kw)
        self._enter(run_id)

    def on_retriever_start(
        self, serialized: Any, query: str, *, run_id: UUID, parent_run_id: Maybe = None, **kw: Any
    ) -> None:
        self._start("retrieval", serialized, query, run_id, parent_run_id, kw)

    def _start(
        self, kind: Kind, serialized: Any, input: object, run: UUID, parent: Maybe, kw: Any
    ) -> None:
        try:
            fields: Fields = {"kind": kind, "input": input}
            if kind == "llm":
                fields = {**fields, **model_call(serialized, kw)}
            name = kw.get("name") or _class_name(serialized) or kind
            given = kw.get("metadata") or {}
            tags = [tag for tag in kw.get("tags") or () if not tag.startswith(INTERNAL_TAGS)]
            span = self._runs.start(run, parent, name, fields).span
            span.set(session_id=given.get("thread_id"), tags=tags or None, metadata=rest_of(given))
            span.set(**_of_kind(kind, named_in(given)))
        except Exception as error:
            self._runs.changed(error)

    def _enter(self, run_id: UUID) -> None:
        """What a tool itself logs, or wraps, is below it."""
        if (run := self._runs.get(run_id)) is not None:
            self._before[run_id] = (run.span.active, context.current())
            context.replace(run.span.active)

    # -------------------------------------------------------------------- ends

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kw: Any) -> None:
        self._end(run_id, lambda: {"output": shown(outputs)})

    def on_llm_end(self, response: Any, *, run_id: UUID, **kw: Any) -> None:
        self._end(run_id, lambda: answer(response))

    def on_tool_end(self, output: Any, *, run_id: UUID, **kw: Any) -> None:
        self._end(run_id, lambda: {"output": shown(getattr(output, "content", output))})

    def on_retriever_end(self, documents: Sequence[Any], *, run_id: UUID, **kw: Any) -> None:
        try:
            self._runs.retrieved(run_id, [document.page_content for document in documents])
        except Exception as error:
            self._runs.changed(error)
        self._end(run_id, lambda: {"output": [shown(d.metadata) for d in documents]})

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kw: Any) -> None:
        run = self._runs.get(run_id)
        if run is not None and (token or _calls(kw.get("chunk"))):
            run.first_token()

    def on_stream_event(self, event: Any, *, run_id: UUID, **kw: Any) -> None:
        run = self._runs.get(run_id)
        if run is not None and isinstance(event, dict) and "delta" in str(event.get("event")):
            run.first_token()

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kw: Any) -> None:
        self._end(run_id, dict, error)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kw: Any) -> None:
        partial = kw.get("response")  # what had been streamed
        self._end(run_id, (lambda: answer(partial)) if partial is not None else dict, error)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kw: Any) -> None:
        self._end(run_id, dict, error)

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kw: Any) -> None:
        self._end(run_id, dict, error)

    def _end(
        self, run_id: UUID, read: Callable[[], Any], error: BaseException | None = None
    ) -> None:
        entered = self._before.pop(run_id, None)
        if entered is not None:
            context.leave(*entered)
        try:
            fields = read()
        except Exception as problem:
            self._runs.end(run_id, None, error)
            self._runs.changed(problem)
            return
        self._runs.end(run_id, fields, error)


def _calls(chunk: Any) -> object:
    return getattr(getattr(chunk, "message", None), "tool_call_chunks", None)


def _class_name(serialized: Any) -> str:
    if not isinstance(serialized, dict):
        return ""
    path = serialized.get("id") or [""]
    return str(serialized.get("name") or path[-1])


def _of_kind(kind: Kind, fields: Any) -> Any:
    """A prompt and its passages belong to the model call, not to what is around it."""
    asked = ("context", "prompt_name", "prompt_version")
    return {k: v for k, v in fields.items() if kind == "llm" or k not in asked}
