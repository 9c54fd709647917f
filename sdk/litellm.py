"""`litellm.callbacks = [driftline.litellm_callback()]`: log every call that LiteLLM makes.

LiteLLM tells a callback when a call starts (in the caller's thread and context) and when it ended
(elsewhere). It says nothing of a call that is cancelled or a stream that is left early: these are
sent, unfinished, when an hour has passed (see `runs`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from . import openai_chat, openai_embeddings
from .fields import Fields, NamedFields
from .reading import get, parameters
from .runs import Run, Runs, named_in, rest_of

Hook = Callable[..., Any]
USER_NAMES = ("user_id", "trace_user_id")


def litellm_callback() -> Any:
    """A LiteLLM `CustomLogger` that logs to Driftline. Make one, and share it.

    Give a session, a user, tags or a prompt's version with `metadata={"session_id": ...}` of the
    call, or with `driftline.using(...)` around it.
    """
    base = importlib.import_module("litellm.integrations.custom_logger").CustomLogger
    return type("DriftlineLogger", (_Hooks, base), {})()


class _Hooks:
    """LiteLLM calls these by keyword; the names are its own."""

    def __init__(self) -> None:
        super().__init__()
        self._runs = Runs("litellm")

    def log_pre_api_call(self, model: Any, messages: Any, kwargs: Any) -> None:
        self._safely(self._start, kwargs, model, messages)

    def log_success_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        self._safely(self._end, kwargs, response_obj, start_time, end_time)

    def log_failure_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        self._safely(self._end, kwargs, None, start_time, end_time)

    async def async_log_success_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        self._safely(self._end, kwargs, response_obj, start_time, end_time)

    async def async_log_failure_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        self._safely(self._end, kwargs, None, start_time, end_time)

    def _safely(self, step: Hook, *args: Any) -> None:
        try:
            step(*args)
        except Exception as error:
            self._runs.changed(error)

    def _start(self, kwargs: Mapping[str, Any], model: Any, messages: Any) -> None:
        key = kwargs.get("litellm_call_id")
        if self._runs.get(key) is None:  # a retry of the same call is the same call
            self._open(key, kwargs, model, messages)

    def _open(self, key: object, kwargs: Mapping[str, Any], model: Any, messages: Any) -> Run:
        embedding = kwargs.get("call_type") in ("embedding", "aembedding")
        fields: Fields = {
            "kind": "embedding" if embedding else "llm",
            "model": model,
            "provider": get(kwargs, "litellm_params", "custom_llm_provider")
            or kwargs.get("custom_llm_provider"),
            "input": kwargs.get("input") if embedding else messages,
            "metadata": parameters(kwargs.get("optional_params") or {}, openai_chat.PARAMETERS),
        }
        run = self._runs.start(
            key, None, f"{'embeddings' if embedding else 'chat'} {model}", fields
        )
        run.span.set(**_named(kwargs))
        return run

    def _end(self, kwargs: Mapping[str, Any], answer: Any, start: Any, end: Any) -> None:
        key = kwargs.get("litellm_call_id")
        run = self._runs.get(key)
        if run is None and kwargs.get("cache_hit"):  # answered by LiteLLM's cache: no start
            run = self._open(key, kwargs, kwargs.get("model"), kwargs.get("messages"))
        if run is None:  # told already: some calls are reported to both kinds of hooks
            return
        failure = kwargs.get("exception") if answer is None else None
        error = failure if isinstance(failure, BaseException) else None
        fields: NamedFields = {}
        if answer is not None:
            fields = _answer(run.kind, answer, kwargs)
        first = kwargs.get("completion_start_time")
        if kwargs.get("stream") and isinstance(first, datetime) and isinstance(start, datetime):
            fields["time_to_first_token_ms"] = max(0.0, (first - start).total_seconds() * 1e3)
        if answer is None and error is None:
            fields = {"status": "error", "error": str(failure or "the call failed")}
        end_us = round(end.timestamp() * 1e6) if isinstance(end, datetime) else None
        self._runs.end(key, fields, error, end_us)


def _named(kwargs: Mapping[str, Any]) -> NamedFields:
    """What the call's own metadata says of session, user, tags and prompt."""
    metadata = get(kwargs, "litellm_params", "metadata") or {}
    user = next((metadata[name] for name in USER_NAMES if metadata.get(name)), None)
    given: NamedFields = {
        "session_id": get(kwargs, "litellm_params", "litellm_session_id"),
        "user_id": user or kwargs.get("user") or get(kwargs, "optional_params", "user"),
    }
    return {**given, **named_in(metadata), "metadata": rest_of(metadata)}


def _answer(kind: str, answer: object, kwargs: Mapping[str, Any]) -> NamedFields:
    """LiteLLM answers as OpenAI does, whoever was asked; `input` tokens include cached ones."""
    reader = openai_embeddings.READER if kind == "embedding" else openai_chat.READER
    fields = reader.answer(answer)
    cost = get(kwargs, "standard_logging_object", "response_cost")
    if isinstance(cost, (int, float)) and cost > 0:  # it says 0 of a model it has no price of
        fields["cost"] = float(cost)
    if kwargs.get("cache_hit"):
        fields["metadata"] = {**(fields.get("metadata") or {}), "cache_hit": True}
    return fields
