"""`driftline.instrument_llamaindex()`: log LlamaIndex's queries, retrievals, models and tools.

LlamaIndex's instrumentation has spans (a method was entered, and left) and events (a model was
asked, and answered, which for a stream is long after its method was left). Events make ours; of the
methods only those of engines, agents and tools do, and the rest just say who is below whom.
"""

from __future__ import annotations

import functools
import importlib
import threading
from collections.abc import Callable
from typing import Any

from . import context
from .context import Active
from .fields import Kind, NamedFields
from .llamaindex_answers import answer, conversation, failure, result_text
from .openai_chat import PARAMETERS
from .reading import parameters
from .runs import Runs

MAX_SPANS = 20_000
SETTINGS = ("temperature", "max_tokens", "reasoning_effort")
METHODS: dict[str, tuple[str, Kind]] = {  # a method's name: the end of its class's name, our kind
    "query": ("QueryEngine", "chain"),
    "aquery": ("QueryEngine", "chain"),
    "chat": ("ChatEngine", "chain"),
    "achat": ("ChatEngine", "chain"),
    "stream_chat": ("ChatEngine", "chain"),
    "astream_chat": ("ChatEngine", "chain"),
    "run": ("Agent", "agent"),
    "call": ("Tool", "tool"),
    "acall": ("Tool", "tool"),
}
_watch: _Watch | None = None
_lock = threading.Lock()


def instrument_llamaindex() -> None:
    """Log what LlamaIndex does from now on, in the whole process. Twice is once.

    Give a session, a user or a prompt's version with `driftline.using(...)` around a call.
    """
    global _watch
    with _lock:
        if _watch is not None:
            return
        package = "llama_index.core.instrumentation"
        events = importlib.import_module(f"{package}.event_handlers").BaseEventHandler
        spans = importlib.import_module(f"{package}.span_handlers").BaseSpanHandler
        watch = _Watch()
        root = importlib.import_module(package).get_dispatcher()
        root.add_event_handler(_event_handler(events, watch))
        root.add_span_handler(_span_handler(spans, watch))
        _watch = watch


def _event_handler(base: Any, watch: _Watch) -> Any:
    def handle(self: object, event: Any, **kwargs: Any) -> None:
        watch.safely(watch.event, event)

    return type("DriftlineEvents", (base,), {"handle": handle, "__module__": __name__})()


def _span_handler(base: Any, watch: _Watch) -> Any:
    def span_enter(
        self: object, id_: str, bound_args: Any, instance: Any = None, **kwargs: Any
    ) -> None:
        watch.safely(watch.enter, id_, bound_args, instance, kwargs.get("parent_id"))

    def span_exit(self: object, id_: str, *args: Any, result: Any = None, **kwargs: Any) -> None:
        watch.safely(watch.leave, id_, result)

    def span_drop(self: object, id_: str, *args: Any, err: Any = None, **kwargs: Any) -> None:
        watch.safely(watch.fail, id_, err)

    unused = {"new_span": None, "prepare_to_exit_span": None, "prepare_to_drop_span": None}
    own = {"span_enter": span_enter, "span_exit": span_exit, "span_drop": span_drop}
    hidden = dict.fromkeys(unused, lambda self, *args, **kwargs: None)
    return type("DriftlineSpans", (base,), {**hidden, **own, "__module__": __name__})()


class _Watch:
    """What is going on in LlamaIndex. Its span ids are our runs' keys."""

    def __init__(self) -> None:
        self._runs = Runs("llamaindex")
        self._parents: dict[str, str | None] = {}
        self._settings: dict[str, dict[str, object]] = {}  # of a model that is being entered
        self._before: dict[str, tuple[Active, Active | None]] = {}

    def safely(self, step: Callable[..., None], *args: Any) -> None:
        try:
            step(*args)
        except Exception as error:
            self._runs.changed(error)

    # ------------------------------------------------------------------- spans

    def enter(self, id_: str, bound: Any, instance: Any, parent: str | None) -> None:
        self._parents[id_] = parent
        if len(self._parents) > MAX_SPANS:
            self._parents.pop(next(iter(self._parents)), None)
        self._settings[id_] = _settings(instance)
        name = type(instance).__name__
        method = id_.split("-")[0].rpartition(".")[2]
        ending, kind = METHODS.get(method, ("", "chain"))
        if not ending or not name.endswith(ending):
            return
        if kind == "tool":
            name = getattr(getattr(instance, "metadata", None), "name", None) or name
        run = self._runs.start(
            id_, self._above(parent), name, {"kind": kind, "input": _argument(bound)}
        )
        if kind == "tool":  # what a tool itself logs is below it
            self._before[id_] = (run.span.active, context.current())
            context.replace(run.span.active)

    def leave(self, id_: str, result: Any) -> None:
        self._left(id_)
        run = self._runs.get(id_)
        if run is not None and run.kind not in ("llm", "embedding", "retrieval"):
            self._runs.end(id_, {"output": result_text(result) or None})

    def fail(self, id_: str, error: Any) -> None:
        self._left(id_)
        self._runs.end(id_, None, failure(error))

    def _left(self, id_: str) -> None:
        self._settings.pop(id_, None)
        if (entered := self._before.pop(id_, None)) is not None:
            context.leave(*entered)

    def _above(self, id_: str | None) -> str | None:
        """The nearest of `id_` and its ancestors that is one of our runs."""
        while id_ is not None and not self._runs.knows(id_):
            id_ = self._parents.get(id_)
        return id_

    # ------------------------------------------------------------------ events

    def event(self, event: Any) -> None:
        kind = type(event).__name__
        if kind in STARTS:
            name, fields = STARTS[kind](event)
            above = self._above(self._parents.get(event.span_id))
            begun = self._runs.start(event.span_id, above, name, fields)
            if begun.kind == "llm":
                begun.span.set(metadata=self._settings.get(event.span_id))
        elif kind.endswith("InProgressEvent"):
            if (run := self._runs.get(event.span_id)) is not None and result_text(event.response):
                run.first_token()
                run.partial = functools.partial(answer, event.response)
        elif kind in ENDS:
            if kind == "RetrievalEndEvent":
                self._retrieved(event)
            self._runs.end(event.span_id, ENDS[kind](event))
        elif kind == "ExceptionEvent":
            self._runs.end(event.span_id, None, event.exception)

    def _retrieved(self, event: Any) -> None:
        passages = [found.node.get_content() for found in event.nodes]
        self._runs.retrieved(event.span_id, passages)


def _argument(bound: Any) -> object:
    """What an engine, an agent or a tool was called with."""
    given = dict(getattr(bound, "arguments", {}))
    named = {**given.pop("kwargs", {}), **given}
    event = named.get("start_event")  # an agent's is a workflow's
    asked = named.get("user_msg") or getattr(event, "user_msg", None)
    if asked is not None:
        return result_text(asked)
    named = {name: value for name, value in named.items() if value not in (None, ())}
    values = [getattr(value, "query_str", value) for value in named.values()]
    return values[0] if len(values) == 1 and isinstance(values[0], str) else named or None


def _settings(model: Any) -> dict[str, object]:
    """The settings of a model, which LlamaIndex's events leave out; of anything else nothing."""
    if not hasattr(model, "temperature"):
        return {}
    values = {name: getattr(model, name, None) for name in SETTINGS}
    return {name: value for name, value in values.items() if value is not None}


def _asked(event: Any) -> tuple[str, Any]:
    model = event.model_dict.get("model") or event.model_dict.get("model_name")
    asked = getattr(event, "prompt", None)
    if asked is None:
        asked = conversation(event.messages)
    metadata = parameters(event.additional_kwargs, PARAMETERS)
    fields = {"kind": "llm", "model": model, "input": asked, "metadata": metadata}
    maker = str(event.model_dict.get("class_name") or "").lower().removesuffix("_llm")
    return f"chat {model}", {**fields, "provider": maker}


def _embedding(event: Any) -> tuple[str, Any]:
    model = event.model_dict.get("model_name")
    return f"embeddings {model}", {"kind": "embedding", "model": model}


def _retrieval(event: Any) -> tuple[str, Any]:
    query = event.str_or_query_bundle
    asked = getattr(query, "query_str", query)
    return "retrieve", {"kind": "retrieval", "input": asked}


def _found(event: Any) -> NamedFields:
    return {"output": [{"id": n.node.node_id, "score": n.score} for n in event.nodes]}


def _embedded(event: Any) -> NamedFields:
    return {"input": event.chunks, "metadata": {"vectors": len(event.embeddings)}}


STARTS: dict[str, Callable[[Any], tuple[str, Any]]] = {
    "LLMChatStartEvent": _asked,
    "LLMCompletionStartEvent": _asked,
    "EmbeddingStartEvent": _embedding,
    "RetrievalStartEvent": _retrieval,
}
ENDS: dict[str, Callable[[Any], NamedFields]] = {
    "LLMChatEndEvent": lambda event: answer(event.response),
    "LLMCompletionEndEvent": lambda event: answer(event.response),
    "EmbeddingEndEvent": _embedded,
    "RetrievalEndEvent": _found,
}
