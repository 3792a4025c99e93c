"""What a provider's list of models says against the registry: new, gone, going, dearer; pure comparison."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

from llm_monitoring import registry
from llm_monitoring.db.database import Row
from llm_monitoring.domain import ProviderName
from llm_monitoring.model_review.suggested_prices import Suggestion, rises, suggest
from llm_monitoring.providers import ModelInfo
from llm_monitoring.providers.model_lists import answers_text
from llm_monitoring.registry import DatedPrice, Price, PriceChange

MISSING_TO_BE_GONE: Final = 2
NOTICE: Final = timedelta(days=30)
DRIFT: Final = Decimal("0.01")
LONGEST_ID: Final = 100  # what the column holds
SNAPSHOT: Final = re.compile(r"-(\d{8}|\d{4}-\d\d-\d\d)$")

Suggest = Callable[[ProviderName, str, datetime], Suggestion | None]
Rises = tuple[tuple[date, Suggestion], ...]
Why = Literal["missing", "retires"]


@dataclass(frozen=True, slots=True)
class New:
    """A model that the registry did not have, and what it may cost."""

    info: ModelInfo
    suggestion: Suggestion | None


@dataclass(frozen=True, slots=True)
class Successor:
    """A priced model that could take over; only a `validated` one is switched to without a person."""

    model_id: str
    approved: bool
    validated: bool


@dataclass(frozen=True, slots=True)
class RetiringModel:
    """A model that ends soon or has ended. `first`: nobody was told yet. `successor` only for a current one."""

    row: Row
    why: Why
    first: bool
    successor: Successor | None

    @property
    def model_id(self) -> str:
        return str(self.row["model_id"])


@dataclass(frozen=True, slots=True)
class Drift:
    """One price of an approved model, in the registry and as suggested, in USD."""

    model_id: str
    name: str
    registered: Decimal
    suggested: Decimal
    source: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What one provider's list says. `back` were announced as gone; `unstorable` have an id that is too long.

    `tells_end`: the list knows of retirements, so it is believed where it tells none.
    """

    provider: ProviderName
    listed: int
    tells_end: bool
    new: tuple[New, ...]
    seen: tuple[ModelInfo, ...]
    missing: tuple[str, ...]
    going: tuple[RetiringModel, ...]
    back: tuple[str, ...]
    drifts: tuple[Drift, ...]
    suggestions: Mapping[str, Suggestion]
    rises: Mapping[str, Rises]
    price_changes: tuple[tuple[str, PriceChange], ...]
    unstorable: tuple[str, ...]


def examine(
    provider: ProviderName,
    rows: Sequence[Row],
    listed: Iterable[ModelInfo],
    now: datetime,
    suggest: Suggest = suggest,
    rises: Callable[[ProviderName, str], Rises] = rises,
) -> Findings:
    """Compare the provider's list with the registry's rows; reads and writes nothing."""
    by_id = {info.model_id: info for info in listed}
    known = {row["model_id"]: row for row in rows}
    suggested = {model_id: suggest(provider, model_id, now) for model_id in [*by_id, *known]}
    later = {model_id: rises(provider, model_id) for model_id, found in suggested.items() if found is not None}
    missing = tuple(row["model_id"] for row in rows if is_missing(provider, row, by_id))
    tells_end = any(info.retires_at for info in by_id.values())
    after = [row_after_check(row, by_id.get(row["model_id"]), row["model_id"] in missing, tells_end) for row in rows]
    going = going_models(after, by_id, now)
    return Findings(
        provider=provider,
        listed=len(by_id),
        tells_end=tells_end,
        new=tuple(New(info, suggested[i]) for i, info in by_id.items() if i not in known and len(i) <= LONGEST_ID),
        seen=tuple(info for model_id, info in by_id.items() if model_id in known),
        missing=missing,
        going=going,
        back=tuple(
            row["model_id"] for row in after if row["going_announced_at"] and row["retired_at"] is None
            and row["model_id"] not in {each.model_id for each in going}
        ),
        drifts=tuple(drift for row in rows for drift in drifts(row, suggested[row["model_id"]])),
        suggestions={model_id: found for model_id, found in suggested.items() if found is not None},
        rises=later,
        price_changes=tuple(
            (row["model_id"], change) for row in rows for change in changes_of(row, later.get(row["model_id"]), now)
        ),
        unstorable=tuple(model_id for model_id in by_id if len(model_id) > LONGEST_ID),
    )  # fmt: skip


def check_row(row: Row, now: datetime) -> None:
    """Raise what comparing a registered model would raise, if its row holds what no check can compare."""
    usable_price(row)
    reason_to_go(row, now)
    for name in ("going_announced_at", "last_seen_at", "validated_at", "last_checked_at"):
        if row[name] is not None and not isinstance(row[name], datetime):
            raise TypeError(f"{name} is no time: {row[name]}")


def is_missing(provider: ProviderName, row: Row, listed: Mapping[str, ModelInfo]) -> bool:
    """Whether the list should hold a registered model and does not.

    What was never listed itself may be an alias of a dated model; what is filtered out of the list cannot be seen.
    """
    model_id: str = row["model_id"]
    if model_id in listed or not answers_text(provider, model_id):
        return False
    aliases = {SNAPSHOT.sub("", each) for each in listed}
    return row["last_seen_at"] is not None or model_id not in aliases


def row_after_check(row: Row, info: ModelInfo | None, missing: bool, tells_end: bool) -> Row:
    """The row as the check leaves it."""
    retires_at = info.retires_at if info is not None and tells_end else row["retires_at"]
    checks = row["missing_checks"] + 1 if missing else 0
    return row | {"retires_at": retires_at, "missing_checks": checks}


def going_models(rows: Sequence[Row], listed: Mapping[str, ModelInfo], now: datetime) -> tuple[RetiringModel, ...]:
    """The models that end, rows being as the check leaves them."""
    reasons = {row["model_id"]: reason for row in rows if (reason := reason_to_go(row, now))}
    staying = [row for row in rows if row["model_id"] in listed and row["model_id"] not in reasons]
    return tuple(
        RetiringModel(
            row=row,
            why=reasons[row["model_id"]],
            first=row["going_announced_at"] is None,
            successor=successor(row, staying) if row["is_current"] else None,
        )
        for row in rows
        if row["model_id"] in reasons
    )


def reason_to_go(row: Row, now: datetime) -> Why | None:
    if row["retired_at"] is not None:
        return None
    if row["missing_checks"] >= MISSING_TO_BE_GONE:
        return "missing"
    return "retires" if row["retires_at"] is not None and row["retires_at"] <= now + NOTICE else None


def successor(row: Row, staying: Sequence[Row]) -> Successor | None:
    """The best priced model to take over: validated before approved before others, then the nearest in price."""
    priced = [(each, price) for each in staying if (price := usable_price(each))]
    own = usable_price(row)
    if not priced or own is None:
        return None

    def rank(pair: tuple[Row, Decimal]) -> tuple[bool, bool, Decimal]:
        each, price = pair
        return not is_validated(each), not each["is_available"], max(price / own, own / price)

    best, _ = min(priced, key=rank)
    return Successor(best["model_id"], best["is_available"], is_validated(best))


def is_validated(row: Row) -> bool:
    return row["is_available"] and row["validated_at"] is not None


def usable_price(row: Row) -> Decimal | None:
    """Input plus output price of a model that nobody rejected or retired."""
    price = registry.read_price(row)
    if price is None or row["retired_at"] is not None or row["rejected_at"] is not None:
        return None
    return price.tiers[0].input + price.tiers[0].output


def changes_of(row: Row, later: Rises | None, now: datetime) -> Iterator[PriceChange]:
    """What begins soon at an approved model, and what is charged without a decision; `later` None: no list knows it."""
    prices = registry.read_prices(row)
    if prices is None or not row["is_available"] or row["retired_at"] is not None:
        return
    today = now.astimezone(UTC).date()
    if later is not None:
        prices = registry.with_known(prices, [known_price(row, *each) for each in later], today)
    yield from registry.price_changes(prices, today)


def known_price(row: Row, valid_from: date, suggestion: Suggestion) -> DatedPrice:
    columns = {**suggestion.columns(), "llm_provider": row["llm_provider"], "model_id": row["model_id"]}
    price = registry.read_price(columns)
    assert price is not None
    return DatedPrice(valid_from, "library", price, suggestion.source, columns)


def drifts(row: Row, suggestion: Suggestion | None) -> Iterator[Drift]:
    """Where an approved model's prices differ from the suggested ones by more than 1 %."""
    price = registry.read_price(row)
    if suggestion is None or price is None or not row["is_available"] or row["retired_at"] is not None:
        return
    for name, registered, suggested in comparable_prices(price, suggestion):
        if abs(suggested - registered) > DRIFT * registered:
            yield Drift(row["model_id"], name, registered, suggested, suggestion.source)


def comparable_prices(price: Price, suggestion: Suggestion) -> Iterator[tuple[str, Decimal, Decimal]]:
    """The prices that both know, by name."""
    base = price.tiers[0]
    for name in ("input", "output", "cached", "cache_write", "cache_write_1h"):
        registered, suggested = getattr(base, name), getattr(suggestion, name)
        if registered is not None and suggested is not None:
            yield name, registered, suggested
    if price.search_usd is not None and suggestion.per_1k_searches is not None:
        yield "searches", 1000 * price.search_usd, suggestion.per_1k_searches
    for tier in suggestion.tiers:
        start = int(tier["above_input_tokens"])
        for name in sorted(tier.keys() - {"above_input_tokens"}):
            registered = getattr(price.rates(start + 1), name)
            if registered is not None:
                yield f"{name} > {start}", registered, Decimal(str(tier[name]))
