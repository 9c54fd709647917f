"""What a model's tokens cost at a moment: the public list of `genai-prices`, and a project's own.

The list is bundled with the package (nothing is fetched). The library's own `calc_price` costs some
100 µs a call, so a price is compiled once to plain numbers a token and kept; a test compares the
two over the whole list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from typing import TYPE_CHECKING

from driftline.sdk.records import Price

if TYPE_CHECKING:
    from decimal import Decimal

    from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

TOKENS_A_MILLION = 1e6
MAX_REMEMBERED = 10_000  # pairs of provider and model; a hostile sender must not fill the memory
# Names that senders use for a provider and the list does not know.
PROVIDERS = {"x_ai": "x-ai", "mistral_ai": "mistral", "az.ai.openai": "azure"}


@dataclass(frozen=True, slots=True)
class Rate:
    """Dollars a token; from an input of more than `tiers[i][0]` tokens on, `tiers[i][1]`."""

    base: float
    tiers: tuple[tuple[int, float], ...] = ()

    def at(self, input_tokens: int) -> float:
        """The dollars for one token of a request whose whole input is so long."""
        price = self.base
        for start, tier in self.tiers:
            if input_tokens > start:
                price = tier
        return price


@dataclass(frozen=True, slots=True)
class Rates:
    """A model's price. None: has no price of its own, and costs what the kind above it costs."""

    input: Rate | None = None
    cached: Rate | None = None
    written: Rate | None = None
    input_audio: Rate | None = None
    output: Rate | None = None
    reasoning: Rate | None = None
    output_audio: Rate | None = None
    request: float = 0.0

    def cost(self, usage: Mapping[str, int]) -> float | None:
        """Dollars for `usage` (docs/api.md: `input` includes what was cached, `output` the
        reasoning); None when tokens were used that have no price.
        """
        whole, out = usage.get("input", 0), usage.get("output", 0)
        total = self.request
        kinds = ((self.cached, "input_cached"), (self.written, "input_cache_write"))
        for rate, name in (*kinds, (self.input_audio, "input_audio")):
            tokens = min(usage.get(name, 0), whole) if rate else 0
            if rate and tokens:
                total += rate.at(usage["input"]) * tokens
                whole -= tokens
        for rate, name in ((self.reasoning, "reasoning"), (self.output_audio, "output_audio")):
            tokens = min(usage.get(name, 0), out) if rate else 0
            if rate and tokens:
                total += rate.at(usage.get("input", 0)) * tokens
                out -= tokens
        for rate, tokens in ((self.input, whole), (self.output, out)):
            if tokens and rate is None:
                return None
            if rate:
                total += rate.at(usage.get("input", 0)) * tokens
        return total


@dataclass(frozen=True, slots=True)
class Period:
    """Rates that hold from a day on, or in a span of each day (UTC), or, with neither, always."""

    rates: Rates
    since: date | None = None
    daily: tuple[time, time] | None = None


class PriceList:
    """Rates by provider, model and moment."""

    def __init__(self, providers: list[Provider], remembered: int = MAX_REMEMBERED) -> None:
        self._providers = providers
        self._remembered = remembered
        self._compiled: dict[int, Rates] = {}
        self._forget()

    def __len__(self) -> int:
        """How many pairs of provider and model it remembers."""
        return len(self._models)

    def rates(self, provider: str, model: str, at: datetime) -> Rates | None:
        """The price of a model at `at`; None when the list does not know it.

        An unknown provider has no price, even when it serves a model that is sold elsewhere.
        Without a provider the model's name decides (`openai/gpt-4o` names both).
        """
        found = self._model(provider, model)
        return self._rates(found.get_prices(at)) if found else None

    def periods(self, provider: str, model: str) -> list[Period]:
        """All prices of a model, the one that goes first first; the last one always holds."""
        from genai_prices.types import ModelPrice, StartDateConstraint, TimeOfDateConstraint

        found = self._model(provider, model)
        if found is None:
            return []
        if isinstance(found.prices, ModelPrice):
            return [Period(self._rates(found.prices))]
        periods = []
        for entry in reversed(found.prices):
            rates, when = self._rates(entry.prices), entry.constraint
            if isinstance(when, StartDateConstraint):
                periods.append(Period(rates, since=when.start_date))
            elif isinstance(when, TimeOfDateConstraint):
                periods.append(Period(rates, daily=(_utc(when.start_time), _utc(when.end_time))))
            else:
                return [*periods, Period(rates)]
        return [*periods, Period(self._rates(found.prices[0].prices))]

    def _model(self, provider: str, model: str) -> ModelInfo | None:
        key = (provider, model)
        if key not in self._models:
            if len(self._models) >= self._remembered:
                self._forget()
            self._models[key] = self._find(provider, model)
        return self._models[key]

    def _rates(self, price: ModelPrice) -> Rates:
        rates = self._compiled.get(id(price))  # the snapshot keeps the price, so the id stays its
        if rates is None:
            rates = self._compiled[id(price)] = compiled(price)
        return rates

    def _forget(self) -> None:
        """Start afresh, with a new snapshot too: the library remembers every name it was asked."""
        from genai_prices.data_snapshot import DataSnapshot

        self._snapshot = DataSnapshot(self._providers, from_auto_update=False)
        self._models: dict[tuple[str, str], ModelInfo | None] = {}

    def _find(self, provider: str, model: str) -> ModelInfo | None:
        known: str | None = PROVIDERS.get(provider.lower(), provider) or None
        if known is None and "/" in model:
            known = "litellm"  # the library's word for "the provider is in the name"
        try:
            _, found = self._snapshot.find_provider_model(model, None, known, None)
        except LookupError:
            return None
        return found


def _utc(moment: time) -> time:
    """A time of day in UTC; without a zone it is one already."""
    if moment.tzinfo is None:
        return moment
    return datetime.combine(date(1970, 1, 2), moment).astimezone(UTC).time()


def compiled(price: ModelPrice) -> Rates:
    """A price of the library as plain numbers."""
    requests = price.requests_kcount
    return Rates(
        input=_rate(price.input_mtok),
        cached=_rate(price.cache_read_mtok),
        written=_rate(price.cache_write_mtok),
        input_audio=_rate(price.input_audio_mtok),
        output=_rate(price.output_mtok),
        reasoning=_rate(price.output_reasoning_mtok),
        output_audio=_rate(price.output_audio_mtok),
        request=_base(requests) / 1000 if requests else 0.0,
    )


def _rate(price: Decimal | TieredPrices | None) -> Rate | None:
    if price is None:
        return None
    tiers = getattr(price, "tiers", ())
    dollars = tuple((tier.start, float(tier.price) / TOKENS_A_MILLION) for tier in tiers)
    return Rate(_base(price) / TOKENS_A_MILLION, dollars)


def _base(price: Decimal | TieredPrices) -> float:
    from genai_prices.types import TieredPrices

    return float(price.base if isinstance(price, TieredPrices) else price)


def own_rates(prices: Sequence[Price], provider: str, model: str) -> Rates | None:
    """A project's own price of a model: the first that names it, with or without its provider."""
    wanted, by = model.lower(), provider.lower()
    for price in prices:
        if price.model.lower() == wanted and price.provider.lower() in ("", by):
            cached = price.input_cached
            return Rates(
                input=Rate(price.input / TOKENS_A_MILLION),
                output=Rate(price.output / TOKENS_A_MILLION),
                cached=None if cached is None else Rate(cached / TOKENS_A_MILLION),
            )
    return None


@cache
def public() -> PriceList:
    """The bundled list. The first call takes most of a second: `app.opened` makes it early."""
    from genai_prices.data_snapshot import get_snapshot

    return PriceList(get_snapshot().providers)
