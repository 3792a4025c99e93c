"""The ceiling and the cost of a call: arithmetic on a model's rates, without a database."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from typing import Any, Final, Literal, assert_never

from llm_monitoring.domain import Mode, Usage
from llm_monitoring.errors import MonitoringError
from llm_monitoring.providers.base import Question, instruction

MILLION: Final = Decimal(1_000_000)
CENT_OF_A_MICRODOLLAR: Final = Decimal("1e-10")  # what NUMERIC(18, 10) holds
FRAMING_TOKENS: Final = 400  # roles, tool definitions and separators around the text of a request
# What one search may add to the input of the turns after it, and the search tool to every turn: the most that recorded
# replies of the providers hold is 17,300 and 2,300.
SEARCH_RESULT_TOKENS: Final = 18_000
SEARCH_TOOL_TOKENS: Final = 2_500
PLAIN: Final = Decimal(1)
# Tiers at the standard price or below it. A cheaper one that was not asked for is charged the standard price, so
# never too little.
STANDARD_TIERS: Final = frozenset({"", "default", "standard", "standard_only", "auto", "on_demand", "flex", "batch"})
PRIORITY_TIERS: Final = frozenset({"priority", "fast"})  # OpenAI renamed priority to fast, at the same price


class NotCallable(MonitoringError):
    """The model cannot be called."""


class Unpriced(MonitoringError):
    """The usage names a rate that the registry does not hold."""

    def __init__(self, part: Literal["service_tier", "cache_write_1h"], value: str) -> None:
        super().__init__(f"{part} {value}")
        self.part = part
        self.value = value


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per million tokens from `above_input_tokens` of input on; crossing a tier prices the whole call by it.

    `cache_write_1h` None: what a cache entry of one hour costs is unknown.
    """

    above_input_tokens: int
    input: Decimal
    output: Decimal
    cached: Decimal
    cache_write: Decimal
    cache_write_1h: Decimal | None = None

    def dearest_input(self, factor: Decimal = PLAIN, cache_factor: Decimal = PLAIN) -> Decimal:
        """The dearest input rate, with input from and to the cache at a factor of its own."""
        cache = max(self.cached, self.cache_write, self.cache_write_1h or Decimal(0))
        return max(self.input * factor, cache * cache_factor)


@dataclass(frozen=True, slots=True)
class Price:
    """A model's tiers, ascending, and its fees in USD a search and a request. `search_usd` None: no known fee.

    `priority_factor`: times the price of every token in the priority tier, None if unknown. `least_premium` and
    `most_premium`: times the price of every token, for the region; see `Usage.regional`. `flex_factor` and
    `batch_factor`: times the price of tokens in that mode, None if the model is not sold in it. They hold for cached
    input only if `discounts_cached`, and never for fees.
    """

    tiers: tuple[Rates, ...]
    search_usd: Decimal | None
    request_usd: Decimal
    priority_factor: Decimal | None = None
    least_premium: Decimal = PLAIN
    most_premium: Decimal = PLAIN
    batch_factor: Decimal | None = None
    flex_factor: Decimal | None = None
    discounts_cached: bool = False

    def factor(self, mode: Mode) -> Decimal | None:
        """Times the standard price of tokens in a mode; None if the model is not sold in it."""
        match mode:
            case "standard":
                return PLAIN
            case "flex":
                return self.flex_factor
            case "batch":
                return self.batch_factor
            case _:
                assert_never(mode)

    def cache_factor(self, factor: Decimal) -> Decimal:
        """Times the standard price of input from and to the cache if other tokens cost `factor` times theirs."""
        return factor if self.discounts_cached else max(factor, PLAIN)

    def rates(self, input_tokens: int) -> Rates:
        return [tier for tier in self.tiers if tier.above_input_tokens == 0 or input_tokens > tier.above_input_tokens][
            -1
        ]


def ceiling(price: Price, question: Question) -> Decimal:
    """The most that `question` can cost, in USD.

    All input is taken at the dearest rate. Fees of tools that the call does not offer have no bound: if a provider
    takes some they are charged in full. A flex call may be served at the standard price, so that is what its ceiling
    takes; a batch has its own.
    """
    tokens = most_input(question)
    reachable = [tier for tier in price.tiers if tier.above_input_tokens <= tokens]
    factor = (price.batch_factor or PLAIN) if question.mode == "batch" else PLAIN
    dearest_rate = max(tier.dearest_input(factor, price.cache_factor(factor)) for tier in reachable)
    output = max(tier.output for tier in reachable) * factor
    fees = question.max_searches * (price.search_usd or Decimal(0)) + price.request_usd
    dearest_run = (tokens * dearest_rate + question.max_output_tokens * output) * price.most_premium
    return rounded_up(dearest_run / MILLION + fees)


def most_input(question: Question) -> int:
    """The most tokens of input that a question can bring.

    A token is at least one byte of UTF-8, so the bytes of prompt and instruction bound their tokens. Every search
    adds a turn that reads the conversation again with the results so far; so does one more search than allowed, which
    the provider refuses and does not bill.
    """
    text = len(question.prompt.encode()) + len(instruction(question).encode()) + FRAMING_TOKENS
    searches = question.max_searches
    if not searches:
        return text
    turns = searches + 2
    read_again = turns * (text + SEARCH_TOOL_TOKENS) + (turns - 1) * question.max_output_tokens
    return read_again + SEARCH_RESULT_TOKENS * (searches * (searches + 1) // 2 + searches)


def cost(price: Price, usage: Usage, mode: Mode = "standard") -> Decimal:
    """What `usage` costs in USD; the provider's own figure wins if it gives one above zero.

    `mode` is how the call was asked: flex costs less only if the reply names that tier. Raises Unpriced for a tier or a
    cache write without a price.
    """
    if usage.cost_usd:
        return rounded_up(usage.cost_usd)
    rates = price.rates(usage.input_tokens)
    plain = max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens)
    hour = min(usage.cache_write_1h_tokens, usage.cache_write_tokens)
    cache = (
        usage.cached_tokens * rates.cached
        + (usage.cache_write_tokens - hour) * rates.cache_write
        + hour * hour_rate(rates, hour)
    )
    factor = tier_factor(price, usage.service_tier, mode)
    tokens = (plain * rates.input + usage.output_tokens * rates.output) * factor + cache * price.cache_factor(factor)
    premium = price.most_premium if usage.regional else price.least_premium
    fees = usage.searches * (price.search_usd or Decimal(0)) + usage.fees_usd + price.request_usd
    return rounded_up(tokens * premium / MILLION + fees)


def least_cost(price: Price, usage: Usage) -> Decimal:
    """What `usage` costs at least: in the plain tier, with all cache entries at the rate of short ones."""
    return cost(price, replace(usage, service_tier="", cache_write_1h_tokens=0))


def hour_rate(rates: Rates, tokens: int) -> Decimal:
    """The rate of cache writes that are kept for an hour; raises Unpriced if there are any and it is unknown."""
    if rates.cache_write_1h is not None:
        return rates.cache_write_1h
    if tokens:
        raise Unpriced("cache_write_1h", str(tokens))
    return Decimal(0)


def tier_factor(price: Price, service_tier: str, mode: Mode) -> Decimal:
    """Times the standard price of tokens in the tier that the reply names; raises Unpriced.

    Whether a call was part of a batch is known without the reply.
    """
    tier = service_tier.lower()
    if tier in STANDARD_TIERS:
        served = mode == "batch" or (mode == "flex" and tier == "flex")
        return price.factor(mode) or PLAIN if served else PLAIN
    if tier in PRIORITY_TIERS and price.priority_factor is not None:
        return price.priority_factor
    raise Unpriced("service_tier", service_tier)


def rounded_up(amount: Decimal) -> Decimal:
    return amount.quantize(CENT_OF_A_MICRODOLLAR, rounding=ROUND_CEILING)


def dearest(first: Price, second: Price) -> Price:
    """Each part at the dearer of the two prices: no usage costs more by either of them."""
    if first == second:  # almost always, as it is asked whether a price has changed
        return first
    starts = sorted({tier.above_input_tokens for price in (first, second) for tier in price.tiers})
    return Price(
        tiers=tuple(dearest_rates(start, first.rates(start + 1), second.rates(start + 1)) for start in starts),
        search_usd=known_most((first.search_usd, second.search_usd)),
        request_usd=max(first.request_usd, second.request_usd),
        priority_factor=known_most((first.priority_factor, second.priority_factor)),
        least_premium=max(first.least_premium, second.least_premium),
        most_premium=max(first.most_premium, second.most_premium),
        batch_factor=dearest_factor(first.batch_factor, second.batch_factor),
        flex_factor=dearest_factor(first.flex_factor, second.flex_factor),
        discounts_cached=first.discounts_cached and second.discounts_cached,
    )


def dearest_factor(first: Decimal | None, second: Decimal | None) -> Decimal | None:
    """The dearer factor of a mode; None, which is the standard price, if either price is not sold in it."""
    return None if first is None or second is None else max(first, second)


def dearest_rates(start: int, first: Rates, second: Rates) -> Rates:
    return Rates(
        above_input_tokens=start,
        input=max(first.input, second.input),
        output=max(first.output, second.output),
        cached=max(first.cached, second.cached),
        cache_write=max(first.cache_write, second.cache_write),
        cache_write_1h=known_most((first.cache_write_1h, second.cache_write_1h)),
    )


def known_most(amounts: Iterable[Decimal | None]) -> Decimal | None:
    return max((amount for amount in amounts if amount is not None), default=None)


@lru_cache(maxsize=256)
def write_rates(price: Price) -> str:
    """The price as JSON: an attempt keeps it, and is settled with it if the registry has changed since."""
    return json.dumps(asdict(price), default=lambda amount: f"{amount:f}")


def read_rates(rates: dict[str, Any]) -> Price:
    """The price that `write_rates` wrote, as the driver returns it."""

    def amount(value: str | None) -> Decimal | None:
        return None if value is None else Decimal(value)

    return Price(
        tiers=tuple(
            Rates(
                above_input_tokens=int(tier["above_input_tokens"]),
                input=Decimal(tier["input"]),
                output=Decimal(tier["output"]),
                cached=Decimal(tier["cached"]),
                cache_write=Decimal(tier["cache_write"]),
                cache_write_1h=amount(tier["cache_write_1h"]),
            )
            for tier in rates["tiers"]
        ),
        search_usd=amount(rates["search_usd"]),
        request_usd=Decimal(rates["request_usd"]),
        priority_factor=amount(rates["priority_factor"]),
        least_premium=Decimal(rates["least_premium"]),
        most_premium=Decimal(rates["most_premium"]),
        batch_factor=amount(rates.get("batch_factor")),  # attempts of an older release have no factors
        flex_factor=amount(rates.get("flex_factor")),
        discounts_cached=bool(rates.get("discounts_cached")),
    )
