"""Costs of stored events, computed again: after a new price list, or a project's new own price.

A price is written as an SQL expression over `usage`, so ClickHouse rewrites the two cost columns of
a partition (a project's week) in place and no body is read. A test holds the expression to what
`prices.Rates` computes. Costs that senders gave are never touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from driftline.sdk.records import Price

from . import prices
from .clickhouse import ClickHouse
from .cost import PRICED_KINDS
from .ddl import statements
from .prices import Rate, Rates

WEEK = timedelta(days=7)
PAIRS_A_MUTATION = 10  # of provider and model: a statement may be 256 KB long
UNKNOWN = "CAST(NULL, 'Nullable(Float64)')"
WHOLE, OUT = "toFloat64(usage['input'])", "toFloat64(usage['output'])"
WITHIN = f"""
project = {{project:String}} AND id_time >= {{start:DateTime64(3, 'UTC')}}
AND id_time < {{end:DateTime64(3, 'UTC')}} AND cost_source != 'sender'
AND kind IN ({", ".join(f"'{kind}'" for kind in sorted(PRICED_KINDS))})
"""
PAIRS = f"SELECT DISTINCT provider, model FROM events WHERE {WITHIN} ORDER BY provider, model"
MINUTES = f"""
SELECT DISTINCT toDateTime64(toStartOfMinute(id_time), 0, 'UTC') FROM events WHERE {WITHIN}
"""
COUNT = f"SELECT uniqExact(id), uniqExactIf(id, <differs>) FROM events WHERE {WITHIN} AND <pairs>"
FIRST = f"SELECT min(id_time), count() FROM events WHERE {WITHIN}"


@dataclass(frozen=True, slots=True)
class Span:
    """The events of a project from `start` up to `end`."""

    project: str
    start: datetime
    end: datetime

    def params(self) -> dict[str, object]:
        return {"project": self.project, "start": self.start, "end": self.end}


@dataclass(frozen=True, slots=True)
class Repriced:
    """Events looked at, events whose cost changed, and their minutes, for the rollup."""

    examined: int
    changed: int
    minutes: set[datetime]


def first_week(clickhouse: ClickHouse, span: Span) -> Span | None:
    """The part of `span` in the first week that holds events without a sender's cost, or None."""
    ((first, count),) = clickhouse.query(FIRST, **span.params())
    if not count:
        return None
    monday = first.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(first.weekday())
    return Span(span.project, max(span.start, monday), min(span.end, monday + WEEK))


def reprice(clickhouse: ClickHouse, span: Span, own: Sequence[Price]) -> Repriced:
    """Write today's costs over those of a week (`first_week`); doing it twice changes nothing the
    second time.
    """
    examined = changed = 0
    pairs = clickhouse.query(PAIRS, **span.params())
    for at in range(0, len(pairs), PAIRS_A_MUTATION):
        some = pairs[at : at + PAIRS_A_MUTATION]
        seen, different = _rewrite(clickhouse, span, some, own)
        examined, changed = examined + seen, changed + different
    minutes = {minute for (minute,) in clickhouse.query(MINUTES, **span.params())}
    return Repriced(examined, changed, minutes)


def _rewrite(
    clickhouse: ClickHouse, span: Span, pairs: Sequence[tuple[str, str]], own: Sequence[Price]
) -> tuple[int, int]:
    cost, source = expressions(pairs, own)
    differs = (
        f"(isNull(cost) != isNull({cost}) OR ifNull(abs(cost - {cost}) > 1e-9 * {cost}, 0)"
        f" OR cost_source != {source})"
    )
    among = f"({' OR '.join(_is(provider, model) for provider, model in pairs)})"
    count = COUNT.replace("<differs>", differs).replace("<pairs>", among)
    ((seen, different),) = clickhouse.query(count, **span.params())
    if different:
        update = (
            f"ALTER TABLE {{table events}} UPDATE cost = {cost}, cost_source = {source} "
            f"IN PARTITION {_partition(span)} WHERE {WITHIN} AND {among} AND {differs} "
            "SETTINGS mutations_sync = 2"
        )
        for statement in statements(update, clickhouse.cluster):
            clickhouse.command(statement, **span.params())
    return seen, different


def _partition(span: Span) -> str:
    """Of a span within one week: other projects' parts stay as they are."""
    if not span.project.replace("_", "").isalnum():
        raise ValueError("a project's id is letters, digits and _")
    monday = span.start - timedelta(span.start.weekday())
    return f"('{span.project}', '{monday:%Y-%m-%d}')"


def expressions(pairs: Sequence[tuple[str, str]], own: Sequence[Price]) -> tuple[str, str]:
    """The SQL of the cost and of its source for events of these providers and models."""
    costs, sources = [], []
    for provider, model in pairs:
        rates = prices.own_rates(own, provider, model) if own else None
        source = "project" if rates else "list"
        cost = sql_of(rates) if rates else _listed(provider, model)
        costs.append(f"{_is(provider, model)}, {cost}")
        sources.append(f"{_is(provider, model)}, if(isNull({cost}), '', '{source}')")
    return f"multiIf({', '.join(costs)}, {UNKNOWN})", f"multiIf({', '.join(sources)}, '')"


def sql_of(rates: Rates) -> str:
    """`Rates.cost` as SQL: NULL where that is None."""
    terms, whole, out, unpriced = [repr(rates.request)], WHOLE, OUT, "0"
    inputs = (
        (rates.cached, "input_cached"),
        (rates.written, "input_cache_write"),
        (rates.input_audio, "input_audio"),
    )
    for rate, name in inputs:
        if rate:
            tokens = f"least(toFloat64(usage['{name}']), {whole})"
            terms.append(f"{_rate(rate)} * {tokens}")
            whole = f"({whole} - {tokens})"
    for rate, name in ((rates.reasoning, "reasoning"), (rates.output_audio, "output_audio")):
        if rate:
            tokens = f"least(toFloat64(usage['{name}']), {out})"
            terms.append(f"{_rate(rate)} * {tokens}")
            out = f"({out} - {tokens})"
    for rate, tokens in ((rates.input, whole), (rates.output, out)):
        if rate:
            terms.append(f"{_rate(rate)} * {tokens}")
        else:
            unpriced += f" OR {tokens} > 0"
    none = f"({WHOLE} = 0 AND {OUT} = 0) OR {unpriced}"
    return f"if({none}, {UNKNOWN}, CAST({' + '.join(terms)}, 'Nullable(Float64)'))"


def _rate(rate: Rate) -> str:
    tiers = [f"{WHOLE} > {start}, {price!r}" for start, price in reversed(rate.tiers)]
    return f"multiIf({', '.join(tiers)}, {rate.base!r})" if tiers else repr(rate.base)


def _listed(provider: str, model: str) -> str:
    """The public list's price, chosen by the event's own time."""
    periods = list(_periods(provider, model))
    if not model or not periods:
        return UNKNOWN
    *dated, (_, fallback) = periods
    chosen = [f"{when}, {sql_of(rates)}" for when, rates in dated]
    return f"multiIf({', '.join(chosen)}, {sql_of(fallback)})" if chosen else sql_of(fallback)


def _periods(provider: str, model: str) -> Iterator[tuple[str, Rates]]:
    """Conditions on `start_time` and prices, the first that holds wins; the last always holds."""
    for period in prices.public().periods(provider, model):
        condition = "1"
        if period.since is not None:
            condition = f"toDate(start_time) >= toDate('{period.since.isoformat()}')"
        if period.daily is not None:
            condition = _daily(*period.daily)
        yield condition, period.rates


def _daily(start: time, end: time) -> str:
    now = "(toHour(start_time) * 3600 + toMinute(start_time) * 60 + toSecond(start_time))"
    first, last = (t.hour * 3600 + t.minute * 60 + t.second for t in (start, end))
    both = "OR" if last < first else "AND"
    return f"({now} >= {first} {both} {now} < {last})"


def _is(provider: str, model: str) -> str:
    """Names come from senders: as hex, they are no SQL."""
    return f"(provider = {_text(provider)} AND model = {_text(model)})"


def _text(value: str) -> str:
    return f"unhex('{value.encode().hex()}')"
