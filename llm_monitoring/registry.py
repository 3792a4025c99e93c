"""Models and their prices: what a call can cost at most and what it did cost. Prices come from here alone."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final

from llm_monitoring.db.database import Database, Row, Transaction
from llm_monitoring.db.queries import load
from llm_monitoring.domain import PROVIDERS, ProviderName, Usage, provider_name
from llm_monitoring.errors import MonitoringError
from llm_monitoring.providers.base import Question, instruction
from llm_monitoring.row_errors import RowErrors

SQL = load("registry")

MILLION: Final = Decimal(1_000_000)
CENT_OF_A_MICRODOLLAR: Final = Decimal("1e-10")  # what NUMERIC(18, 10) holds
FRAMING_TOKENS: Final = 400  # roles, tool definitions and separators around the text of a request
SEARCH_RESULT_TOKENS: Final = 12_000  # what one search may add to the input of the turns after it
PRICE_COLUMNS: Final = (
    "cost_per_1m_input_tokens", "cost_per_1m_output_tokens", "cost_per_1m_cached_input_tokens",
    "cost_per_1m_cache_write_tokens", "cost_per_1k_searches", "cost_per_request",
)  # fmt: skip
CAPPED_BY_PROVIDER: Final = frozenset({"openai", "anthropic"})  # max_tool_calls, max_uses
# Times the price of every token if the key's workspace keeps its inference in the United States: Anthropic's
# pricing page, "Data residency". The workspace decides, so no request can rule it out for all models.
ANTHROPIC_PREMIUM: Final = Decimal("1.1")
ALWAYS_SEARCHES: Final = frozenset({"perplexity"})


class NotCallable(MonitoringError):
    """The model cannot be called."""


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per million tokens from `above_input_tokens` of input on; crossing a tier prices the whole call by it."""

    above_input_tokens: int
    input: Decimal
    output: Decimal
    cached: Decimal
    cache_write: Decimal


@dataclass(frozen=True, slots=True)
class Price:
    """A model's tiers, ascending, and its fees in USD a search and a request. `search_usd` None: no known fee.

    `most_premium`: the most that the provider multiplies the prices of tokens by, see `Usage.regional`.
    """

    tiers: tuple[Rates, ...]
    search_usd: Decimal | None
    request_usd: Decimal
    most_premium: Decimal = Decimal(1)

    def rates(self, input_tokens: int) -> Rates:
        return [tier for tier in self.tiers if tier.above_input_tokens == 0 or input_tokens > tier.above_input_tokens][
            -1
        ]


@dataclass(frozen=True, slots=True)
class Model:
    """An approved model of the registry. `price` None: it has none above zero and cannot be called."""

    provider: ProviderName
    model_id: str
    display_name: str
    is_current: bool
    price: Price | None
    max_output_tokens: int | None
    reasoning_effort: str | None
    max_searches_per_call: int | None

    def search_cap(self, wanted: int) -> int | None:
        """The most searches one call can be billed for; None where nothing bounds them."""
        if self.provider in CAPPED_BY_PROVIDER:
            return min(wanted, self.max_searches_per_call or wanted)
        return self.max_searches_per_call

    def searches(self, web_search: bool, wanted: int) -> int:
        """How many searches a call may make; raises NotCallable where their fee or number is unknown."""
        if not web_search and self.provider not in ALWAYS_SEARCHES:
            return 0
        cap = self.search_cap(wanted)
        if cap is None:
            raise NotCallable(
                f"{self.provider}/{self.model_id}: web search has no cap on its fees; set one with "
                f"`python -m llm_monitoring models price {self.provider} {self.model_id} --max-searches N`"
            )
        if self.price is not None and self.price.search_usd is None:
            raise NotCallable(f"{self.provider}/{self.model_id}: web search has no price in llm_model_registry")
        return cap

    def priced(self) -> Price:
        """The model's price; raises NotCallable without one."""
        if self.price is None:
            raise NotCallable(f"{self.provider}/{self.model_id} has no price above zero in llm_model_registry")
        return self.price


def ceiling(price: Price, question: Question) -> Decimal:
    """The most that `question` can cost, in USD.

    A token is at least one byte of UTF-8, so the bytes of prompt and instruction bound their tokens. Every search
    adds a turn that reads the conversation again with the results so far. All input is taken at the dearest rate.
    """
    text = len(question.prompt.encode()) + len(instruction(question).encode()) + FRAMING_TOKENS
    turns = question.max_searches + 1
    tokens = turns * (text + question.max_output_tokens) - question.max_output_tokens
    tokens += SEARCH_RESULT_TOKENS * question.max_searches * turns // 2
    reachable = [tier for tier in price.tiers if tier.above_input_tokens <= tokens]
    dearest = max(max(tier.input, tier.cached, tier.cache_write) for tier in reachable)
    output = max(tier.output for tier in reachable)
    fees = question.max_searches * (price.search_usd or Decimal(0)) + price.request_usd
    dearest_run = (tokens * dearest + question.max_output_tokens * output) * price.most_premium
    return rounded_up(dearest_run / MILLION + fees)


def cost(price: Price, usage: Usage) -> Decimal:
    """What `usage` costs in USD; the provider's own figure wins where it gives one above zero."""
    if usage.cost_usd:
        return rounded_up(usage.cost_usd)
    rates = price.rates(usage.input_tokens)
    plain = max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens)
    tokens = (
        plain * rates.input
        + usage.cached_tokens * rates.cached
        + usage.cache_write_tokens * rates.cache_write
        + usage.output_tokens * rates.output
    )
    premium = price.most_premium if usage.regional else Decimal(1)
    return rounded_up(
        tokens * premium / MILLION + usage.searches * (price.search_usd or Decimal(0)) + price.request_usd
    )


def rounded_up(amount: Decimal) -> Decimal:
    return amount.quantize(CENT_OF_A_MICRODOLLAR, rounding=ROUND_CEILING)


def read_price(row: Row) -> Price | None:
    """The price in a registry row, or None where its input or output price is missing or zero."""
    base_input, base_output = row["cost_per_1m_input_tokens"], row["cost_per_1m_output_tokens"]
    amounts = [row[name] for name in PRICE_COLUMNS if row[name] is not None]
    if not all(amount.is_finite() for amount in amounts):
        raise NotCallable(f"{row['llm_provider']}/{row['model_id']} has a price that is no number")
    if not base_input or not base_output:
        return None
    cached = row["cost_per_1m_cached_input_tokens"]
    write = row["cost_per_1m_cache_write_tokens"]
    base = Rates(
        above_input_tokens=0,
        input=base_input,
        output=base_output,
        cached=base_input if cached is None else cached,
        cache_write=base_input if write is None else write,
    )
    tiers = [base, *(read_tier(tier, base) for tier in row["price_tiers"])]
    per_thousand = row["cost_per_1k_searches"]
    return Price(
        tiers=tuple(sorted(tiers, key=lambda tier: tier.above_input_tokens)),
        search_usd=per_thousand / 1000 if per_thousand else None,
        request_usd=row["cost_per_request"],
        most_premium=ANTHROPIC_PREMIUM if row["llm_provider"] == "anthropic" else Decimal(1),
    )


def read_tier(tier: dict[str, str | int], base: Rates) -> Rates:
    """One tier of `price_tiers`; a rate that it leaves out is the base's, or its own input's for cache writes."""

    def rate(name: str, default: Decimal) -> Decimal:
        return Decimal(str(tier[name])) if name in tier else default

    own_input = rate("input", base.input)
    return Rates(
        above_input_tokens=int(tier["above_input_tokens"]),
        input=own_input,
        output=rate("output", base.output),
        cached=rate("cached", own_input),
        cache_write=rate("cache_write", max(own_input, base.cache_write)),
    )


def read_model(row: Row) -> Model:
    return Model(
        provider=provider_name(row["llm_provider"]),
        model_id=row["model_id"],
        display_name=row["model_display_name"] or row["model_id"],
        is_current=row["is_current"],
        price=read_price(row),
        max_output_tokens=row["max_output_tokens"],
        reasoning_effort=row["reasoning_effort"],
        max_searches_per_call=row["max_searches_per_call"],
    )


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The approved models as they were when a run started."""

    models: tuple[Model, ...]

    def current(self, provider: ProviderName) -> Model | None:
        return next((m for m in self.models if m.provider == provider and m.is_current), None)

    def judge(self, providers: frozenset[ProviderName]) -> Model | None:
        """The cheapest approved and priced model of `providers` that can be asked without a search."""
        fitting = [m for m in self.models if m.provider in providers - ALWAYS_SEARCHES and m.price is not None]
        return min(fitting, key=token_price, default=None)


def token_price(model: Model) -> Decimal:
    rates = model.priced().tiers[0]
    return rates.input + rates.output


def read_catalogue(db: Database, errors: RowErrors | None = None) -> Catalogue:
    """The approved models, read once a run; one whose row cannot be read is left out."""
    models, errors = [], errors or RowErrors()
    for row in db.all(SQL.callable_models):
        if row["llm_provider"] in PROVIDERS:
            with errors.guard("read_model", f"{row['llm_provider']}/{row['model_id']}", provider=row["llm_provider"]):
                models.append(read_model(row))
    return Catalogue(tuple(models))


def find_model(db: Database, provider: ProviderName, model_id: str) -> Model | None:
    """One model, whatever its state."""
    row = db.one(SQL.model, {"provider": provider, "model_id": model_id})
    return None if row is None else read_model(row)


def overview(db: Database, provider: ProviderName | None = None) -> list[Row]:
    """Every model with all that is known of it, one row each, of one provider or of all."""
    return db.all(SQL.overview, {"provider": provider})


def count_usage(db: Database, run_id: int, errors: RowErrors) -> None:
    """Add the calls of a finished run, and of those that died before it, to the models' own totals; each run once.

    A model that refuses its sums stays as it is; what it was charged is in the ledger.
    """

    def count(tx: Transaction) -> None:
        counted = [row["id"] for row in tx.all(SQL.mark_counted, {"run_id": run_id})]
        for row in tx.all(SQL.usage_of, {"run_ids": counted}):
            name = f"{row['llm_provider']}/{row['model_id']}"
            with errors.guard("count_usage", name, provider=row["llm_provider"]), tx.savepoint():
                tx.execute(SQL.count_usage, row)

    db.transact(count)
