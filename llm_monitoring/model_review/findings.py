"""Compares a provider's list of models with the registry: new, missing, retiring, changed prices. No database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

from llm_monitoring import registry
from llm_monitoring.domain import ProviderName
from llm_monitoring.model_review.suggested_prices import SuggestedPrice, rises, suggest
from llm_monitoring.providers import ModelInfo
from llm_monitoring.providers.model_lists import answers_text
from llm_monitoring.registry import (
    DatedPrice,
    NotCallable,
    Part,
    Price,
    PriceChange,
    PriceEntry,
    RegistryEntry,
    without_date,
)

MISSES_TO_RETIRE: Final = 2
NOTICE: Final = timedelta(days=30)
LONGEST_ID: Final = 100  # what the column holds
FACTOR_PLACES: Final = 10  # what the columns hold

Suggest = Callable[[ProviderName, str, datetime], SuggestedPrice | None]
Rises = tuple[tuple[date, SuggestedPrice], ...]
EndReason = Literal["missing", "retires"]


@dataclass(frozen=True, slots=True)
class NewModel:
    """A model that the registry does not have yet, and its suggested price."""

    info: ModelInfo
    suggestion: SuggestedPrice | None


@dataclass(frozen=True, slots=True)
class Successor:
    """A priced model that could take over; only a `validated` one is switched to without a person."""

    model_id: str
    approved: bool
    validated: bool


@dataclass(frozen=True, slots=True)
class RetiringModel:
    """A model that ends soon or has ended. `announced`: an earlier check reported it. `successor`: of a current one."""

    entry: RegistryEntry
    reason: EndReason
    announced: bool
    successor: Successor | None

    @property
    def model_id(self) -> str:
        return self.entry.model_id


@dataclass(frozen=True, slots=True)
class PriceDrift:
    """One price of an approved model, in the registry and as suggested, in USD."""

    model_id: str
    name: str
    registered: Decimal
    suggested: Decimal
    source: str

    @property
    def part(self) -> Part:
        return Part(self.name, self.registered, self.suggested)


@dataclass(frozen=True, slots=True)
class ModelReview:
    """What the check of one provider's list found.

    `lists_end_dates`: the list names retirement dates, so a model without one has none. `reappeared`: models that an
    earlier check reported as retiring. `unstorable`: ids that the registry cannot hold.
    """

    provider: ProviderName
    listed: int
    lists_end_dates: bool
    new: tuple[NewModel, ...]
    seen: tuple[ModelInfo, ...]
    missing: tuple[str, ...]
    retiring: tuple[RetiringModel, ...]
    reappeared: tuple[str, ...]
    drifts: tuple[PriceDrift, ...]
    suggestions: Mapping[str, SuggestedPrice]
    rises: Mapping[str, Rises]
    price_changes: tuple[tuple[str, PriceChange], ...]
    unstorable: tuple[str, ...]


def examine(
    provider: ProviderName,
    entries: Sequence[RegistryEntry],
    listed: Iterable[ModelInfo],
    now: datetime,
    suggest: Suggest = suggest,
    rises: Callable[[ProviderName, str], Rises] = rises,
) -> ModelReview:
    """Compare the provider's list with the registry's entries; reads and writes nothing."""
    by_id = {info.model_id: info for info in listed}
    known = {entry.model_id for entry in entries}
    suggested = {model_id: suggest(provider, model_id, now) for model_id in [*by_id, *known]}
    later = {model_id: rises(provider, model_id) for model_id, found in suggested.items() if found is not None}
    missing = tuple(entry.model_id for entry in entries if is_missing(provider, entry, by_id))
    lists_end_dates = any(info.retires_at for info in by_id.values())
    after = [
        entry_after_check(entry, by_id.get(entry.model_id), entry.model_id in missing, lists_end_dates)
        for entry in entries
    ]
    retiring = retiring_models(after, by_id, now)
    return ModelReview(
        provider=provider,
        listed=len(by_id),
        lists_end_dates=lists_end_dates,
        new=tuple(NewModel(info, suggested[i]) for i, info in by_id.items() if i not in known and is_storable(i)),
        seen=tuple(info for model_id, info in by_id.items() if model_id in known),
        missing=missing,
        retiring=retiring,
        reappeared=tuple(reappeared(after, retiring)),
        drifts=tuple(drift for entry in entries for drift in price_drifts(entry, suggested[entry.model_id])),
        suggestions={model_id: found for model_id, found in suggested.items() if found is not None},
        rises=later,
        price_changes=tuple(
            (entry.model_id, change)
            for entry in entries
            for change in price_changes(entry, later.get(entry.model_id), now)
        ),
        unstorable=tuple(model_id for model_id in by_id if not is_storable(model_id)),
    )


def is_storable(model_id: str) -> bool:
    """Whether the registry can hold an id as it is: the database replaces some characters that cannot be printed."""
    return len(model_id) <= LONGEST_ID and model_id.isprintable()


def check_entry(entry: RegistryEntry, now: datetime) -> None:
    """Raise what the comparison of an entry would raise, if it holds a value that cannot be compared."""
    usable_price(entry)
    end_reason(entry, now)
    times = (entry.going_announced_at, entry.last_seen_at, entry.validated_at, entry.last_checked_at)
    for time in times:
        if time is not None and not isinstance(time, datetime):
            raise TypeError(f"not a time: {time}")


def is_missing(provider: ProviderName, entry: RegistryEntry, listed: Mapping[str, ModelInfo]) -> bool:
    """Whether the list should hold a registered model and does not.

    A model that was never listed itself may be an alias of a dated one; a model that does not answer text is filtered
    out of every list.
    """
    if entry.model_id in listed or not answers_text(provider, entry.model_id):
        return False
    aliases = {without_date(each) for each in listed}
    return entry.last_seen_at is not None or entry.model_id not in aliases


def entry_after_check(
    entry: RegistryEntry, info: ModelInfo | None, missing: bool, lists_end_dates: bool
) -> RegistryEntry:
    """The entry as the check leaves it."""
    retires_at = info.retires_at if info is not None and lists_end_dates else entry.retires_at
    return replace(entry, retires_at=retires_at, missing_checks=entry.missing_checks + 1 if missing else 0)


def retiring_models(
    entries: Sequence[RegistryEntry], listed: Mapping[str, ModelInfo], now: datetime
) -> tuple[RetiringModel, ...]:
    """The models that end; the entries are as the check leaves them."""
    reasons = {entry.model_id: reason for entry in entries if (reason := end_reason(entry, now))}
    staying = [entry for entry in entries if entry.model_id in listed and entry.model_id not in reasons]
    return tuple(
        RetiringModel(
            entry=entry,
            reason=reasons[entry.model_id],
            announced=entry.going_announced_at is not None,
            successor=find_successor(entry, staying) if entry.is_current else None,
        )
        for entry in entries
        if entry.model_id in reasons
    )


def end_reason(entry: RegistryEntry, now: datetime) -> EndReason | None:
    """Why a model ends soon or has ended; None if it stays or an admin retired it."""
    if entry.retired_at is not None:
        return None
    if entry.missing_checks >= MISSES_TO_RETIRE:
        return "missing"
    return "retires" if entry.retires_at is not None and entry.retires_at <= now + NOTICE else None


def reappeared(entries: Iterable[RegistryEntry], retiring: Iterable[RetiringModel]) -> Iterator[str]:
    """The models that were announced as retiring and are not any more."""
    still = {each.model_id for each in retiring}
    for entry in entries:
        if entry.going_announced_at and entry.retired_at is None and entry.model_id not in still:
            yield entry.model_id


def find_successor(entry: RegistryEntry, staying: Sequence[RegistryEntry]) -> Successor | None:
    """The best priced model to take over: validated before approved before others, then the nearest in price."""
    priced = [(each, price) for each in staying if (price := usable_price(each))]
    own = usable_price(entry)
    if not priced or own is None:
        return None

    def rank(pair: tuple[RegistryEntry, Decimal]) -> tuple[bool, bool, Decimal]:
        each, price = pair
        return not is_validated(each), not each.is_available, max(price / own, own / price)

    best, _ = min(priced, key=rank)
    return Successor(best.model_id, best.is_available, is_validated(best))


def is_validated(entry: RegistryEntry) -> bool:
    return entry.is_available and entry.validated_at is not None


def usable_price(entry: RegistryEntry) -> Decimal | None:
    """Input plus output price of a model that is neither rejected nor retired."""
    price = entry.read_price()
    if price is None or entry.retired_at is not None or entry.rejected_at is not None:
        return None
    return price.tiers[0].input + price.tiers[0].output


def price_changes(entry: RegistryEntry, later: Rises | None, now: datetime) -> Iterator[PriceChange]:
    """The price changes of an approved model that begin soon, and those charged without a decision.

    `later` None: no price list has the model.
    """
    prices = entry.read_prices()
    if prices is None or not entry.is_available or entry.retired_at is not None:
        return
    today = now.astimezone(UTC).date()
    if later is not None:
        prices = registry.with_known(prices, [known_price(entry, *each) for each in later], today)
    yield from registry.price_changes(prices, today)


def known_price(entry: RegistryEntry, valid_from: date, suggestion: SuggestedPrice) -> DatedPrice:
    price = registry.read_price(suggestion.price, entry.name)
    assert price is not None  # a suggested price is above zero
    return DatedPrice(valid_from, "library", price, suggestion.source, suggestion.price)


def undecided_drifts(entry: RegistryEntry, today: date) -> Iterator[PriceDrift]:
    """The drifts that the last check found, unless an admin has decided since or a known rise is charged."""
    prices, source = entry.read_prices(), entry.suggested_source
    if prices is None or source is None or prices.rise(today) is not None:
        return
    if entry.priced_on is None or entry.suggested_at is None or entry.priced_on < entry.suggested_at:
        yield from price_drifts(entry, SuggestedPrice(entry.suggested, source))


def undecided(entries: Iterable[RegistryEntry], today: date) -> Iterator[tuple[RegistryEntry, list[PriceDrift]]]:
    """The models with such drifts; one with a price that cannot be read has none."""
    for entry in entries:
        with suppress(NotCallable):
            if drifts := list(undecided_drifts(entry, today)):
                yield entry, drifts


def price_drifts(entry: RegistryEntry, suggestion: SuggestedPrice | None) -> Iterator[PriceDrift]:
    """The prices of an approved model that differ from the suggested ones."""
    price = entry.read_price()
    if suggestion is None or price is None or not entry.is_available or entry.retired_at is not None:
        return
    for name, registered, suggested in comparable_prices(price, suggestion.price):
        if suggested != registered:
            yield PriceDrift(entry.model_id, name, registered, suggested, suggestion.source)


def comparable_prices(price: Price, listed: PriceEntry) -> Iterator[tuple[str, Decimal, Decimal]]:
    """The prices that the registry and the list both have, by name."""
    for name in ("input", "output", "cached", "cache_write", "cache_write_1h"):
        registered, suggested = getattr(price.tiers[0], name), listed.amount(name)
        if registered is not None and suggested is not None:
            yield name, registered, suggested
    if price.search_usd is not None and listed.searches is not None:
        yield "searches", 1000 * price.search_usd, listed.searches
    for name in registry.FACTORS:
        factor, suggested = getattr(price, name), listed.amount(name)
        if factor is not None and suggested is not None:
            yield name, factor, round(suggested, FACTOR_PLACES)
    for tier in listed.tiers:
        start = int(tier["above_input_tokens"])
        for name in sorted(tier.keys() - {"above_input_tokens"}):
            registered = getattr(price.rates(start + 1), name)
            if registered is not None:
                yield f"{name} > {start}", registered, Decimal(str(tier[name]))
