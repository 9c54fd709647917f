"""`@observe`: log the calls of a function: its arguments, its result, its time, its error.

Functions, coroutines, generators and async generators stay what they are. A generator's body runs
with its span as the current one, step by step; between the steps the caller's span is current
again, in whatever thread or task the next step happens.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any, ParamSpec, TypeVar, cast, overload

from . import context
from .ambient import client
from .context import Active
from .fields import Kind
from .guard import swallow
from .snapshot import MAX_FIELD_BYTES
from .span import Span

P = ParamSpec("P")
R = TypeVar("R")
MAX_ITEMS = 10_000  # of a generator's output that are kept


@overload
def observe(function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def observe(
    *,
    name: str = "",
    kind: Kind = "chain",
    capture_input: bool = True,
    capture_output: bool = True,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def observe(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str = "",
    kind: Kind = "chain",
    capture_input: bool = True,
    capture_output: bool = True,
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """Log every call of the decorated function as a span; with or without parentheses.

    The input is the argument when there is one, else a mapping of the arguments (without `self`);
    the output is what is returned, or what a generator yielded (texts joined).
    """

    def decorate(target: Callable[P, R]) -> Callable[P, R]:
        plan = _Plan(target, name, kind, capture_input, capture_output)
        return cast(Callable[P, R], _wrapper(target, plan))

    return decorate if function is None else decorate(function)


class _Plan:
    """What to record about the calls of one function."""

    def __init__(
        self, target: Callable[..., Any], name: str, kind: Kind, input: bool, output: bool
    ) -> None:
        self.name = name or getattr(target, "__qualname__", type(target).__name__)
        self.kind: Kind = kind
        self.output = output
        self._input = input
        self._names = _parameters(target)
        self._owned = self._names[:1] in (("self",), ("cls",))

    def open(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Span:
        span = client().span(self.name, kind=self.kind)
        if self._input and span.recording:
            span.set(input=self._arguments(args, kwargs))
        return span

    def _arguments(self, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        if len(args) == 1 and not kwargs and self._names and not self._owned:
            return args[0]
        named = dict(zip(self._names, args, strict=False))
        if len(args) > len(self._names):
            named["args"] = list(args[len(self._names) :])
        named.update(kwargs)
        if self._owned:
            named.pop(self._names[0], None)
        return next(iter(named.values())) if len(named) == 1 else named or None


def _parameters(target: Callable[..., Any]) -> tuple[str, ...]:
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):  # a builtin without a signature
        return ()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(p.name for p in parameters if p.kind in positional)


def _wrapper(target: Callable[..., Any], plan: _Plan) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(target):
        return _async_generator(target, plan)
    if inspect.iscoroutinefunction(target):
        return _coroutine(target, plan)
    if inspect.isgeneratorfunction(target):
        return _generator(target, plan)
    return _function(target, plan)


def _function(target: Callable[..., R], plan: _Plan) -> Callable[..., R]:
    @functools.wraps(target)
    def wrapper(*args: Any, **kwargs: Any) -> R:
        with plan.open(args, kwargs) as span:
            result = target(*args, **kwargs)
            if plan.output:
                span.set(output=result)
            return result

    return wrapper


def _coroutine(
    target: Callable[..., Coroutine[Any, Any, R]], plan: _Plan
) -> Callable[..., Coroutine[Any, Any, R]]:
    @functools.wraps(target)
    async def wrapper(*args: Any, **kwargs: Any) -> R:
        with plan.open(args, kwargs) as span:
            result = await target(*args, **kwargs)
            if plan.output:
                span.set(output=result)
            return result

    return wrapper


def _generator(
    target: Callable[..., Generator[Any, Any, R]], plan: _Plan
) -> Callable[..., Generator[Any, Any, R]]:
    @functools.wraps(target)
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, R]:
        body = target(*args, **kwargs)
        steps = _Steps(plan.open(args, kwargs), plan.output)
        move: Callable[[Any], Any] = body.send
        sent: Any = None
        while True:
            try:
                with steps:
                    item = move(sent)
            except StopIteration as stop:
                steps.end()
                return cast(R, stop.value)
            finally:
                sent = None  # a thrown error would hold this frame, which holds the error
            steps.add(item)
            try:
                move, sent = body.send, (yield item)
            except GeneratorExit:
                with steps:
                    body.close()
                steps.close_early()
                raise
            except BaseException as error:
                move, sent = body.throw, error

    return wrapper


def _async_generator(
    target: Callable[..., AsyncGenerator[Any, Any]], plan: _Plan
) -> Callable[..., AsyncGenerator[Any, Any]]:
    @functools.wraps(target)
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        body = target(*args, **kwargs)
        steps = _Steps(plan.open(args, kwargs), plan.output)
        move: Callable[[Any], Any] = body.asend
        sent: Any = None
        while True:
            try:
                with steps:
                    item = await move(sent)
            except StopAsyncIteration:
                steps.end()
                return
            finally:
                sent = None
            steps.add(item)
            try:
                move, sent = body.asend, (yield item)
            except GeneratorExit:
                with steps:
                    await body.aclose()
                steps.close_early()
                raise
            except BaseException as error:
                move, sent = body.athrow, error

    return wrapper


class _Steps:
    """A generator's run. `with` one step: its span is current; an error in it ends the span."""

    def __init__(self, span: Span, capture: bool) -> None:
        self._span = span
        self._capture = capture and span.recording
        self._items: list[object] = []
        self._size = 0
        self._started = False
        self._inside: Active | None = span.active
        self._outside: Active | None = None

    def __enter__(self) -> None:
        self._outside = context.current()
        context.replace(self._inside)

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._inside = context.current()  # the body may be inside a `with span` of its own
        context.replace(self._outside)
        if error is not None and not isinstance(error, (StopIteration, StopAsyncIteration)):
            self._span.fail(error)
            self.end()

    def add(self, item: object) -> None:
        """The body yielded `item`."""
        try:
            if not self._started:
                self._started = True
                self._span.first_token()
            if self._capture and len(self._items) < MAX_ITEMS and self._size < MAX_FIELD_BYTES:
                self._items.append(item)
                self._size += len(item) if isinstance(item, str) else 1
        except Exception as error:
            swallow(error, "observe")

    def close_early(self) -> None:
        """The caller stopped before the end."""
        self._span.set(metadata={"closed_early": True})
        self.end()

    def end(self) -> None:
        texts = [item for item in self._items if isinstance(item, str)]
        joined = len(texts) == len(self._items)
        if self._capture and self._items:
            self._span.set(output="".join(texts) if joined else self._items)
        self._span.end()
