"""A month of the ledger compared with the lines of a provider's cost export, by key and model."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from llm_monitoring.db import Row
from llm_monitoring.domain import ProviderName
from llm_monitoring.keys import KeyStore, ListedKey
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.registry import without_date

TOLERATED_PERCENT: Final = Decimal(1)
ALL: Final = "all"  # keys, or models


@dataclass(frozen=True, slots=True)
class BilledLine:
    """One line of a cost export; `key` is what it says of the key, empty if it says nothing.

    `rounding_usd` is how far an amount in whole cents may be from what was billed.
    """

    day: date
    model: str
    key: str
    cost_usd: Decimal
    rounding_usd: Decimal = Decimal(0)


@dataclass(slots=True)
class ReconciledLine:
    """What ledger and provider charge for one key and model, in USD."""

    key: str
    model: str
    calls: int = 0
    ledger_usd: Decimal = Decimal(0)
    in_doubt_usd: Decimal = Decimal(0)
    provider_usd: Decimal = Decimal(0)
    rounding_usd: Decimal = Decimal(0)

    @property
    def difference_usd(self) -> Decimal:
        return self.ledger_usd - self.provider_usd

    @property
    def percent(self) -> Decimal | None:
        """The difference in percent of what the provider billed; None if it billed nothing."""
        return round(100 * self.difference_usd / self.provider_usd, 2) if self.provider_usd else None

    @property
    def agrees(self) -> bool:
        tolerated = max(TOLERATED_PERCENT * abs(self.provider_usd) / 100, self.rounding_usd)
        return abs(self.difference_usd) <= tolerated


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """A month of one provider: `used` and `left_out` count the lines of the export in and outside that month.

    `by_model` is False if the export names no model, so that only sums are compared.
    """

    provider: ProviderName
    month: date
    lines: Sequence[ReconciledLine]
    used: int
    left_out: int
    by_model: bool

    @property
    def total(self) -> ReconciledLine:
        total = ReconciledLine(ALL, ALL)
        for line in self.lines:
            total.calls += line.calls
            total.ledger_usd += line.ledger_usd
            total.in_doubt_usd += line.in_doubt_usd
            total.provider_usd += line.provider_usd
            total.rounding_usd += line.rounding_usd
        return total

    @property
    def agrees(self) -> bool:
        return self.total.agrees and all(line.agrees for line in self.lines)


def reconcile(
    budget: Budget, keys: KeyStore, provider: ProviderName, month: date, export: Sequence[BilledLine]
) -> Reconciliation:
    """Compare a month (its first day) of the ledger with the lines of this provider's cost export."""
    billed = [line for line in export if line.day.replace(day=1) == month]
    by_model = not billed or any(line.model for line in billed)
    own = [key for key in keys.listing() if key.provider == provider]
    lines = compare(budget.month_by_model(provider, month), billed, own, by_model=by_model)
    return Reconciliation(provider, month, lines, len(billed), len(export) - len(billed), by_model)


def compare(
    ledger: Iterable[Row], billed: Sequence[BilledLine], keys: Iterable[ListedKey], *, by_model: bool = True
) -> list[ReconciledLine]:
    """Match both sides by key and model; if the export names no key of ours, all keys count as one."""
    owners, names = owners_by_ending(keys), ModelNames(by_model=by_model)
    split = any(key_label(line.key, owners) for line in billed)
    found: dict[tuple[str, str], ReconciledLine] = {}

    def line_of(key: str, model: str) -> ReconciledLine:
        return found.setdefault((key, model), ReconciledLine(key, model))

    for row in ledger:
        line = line_of(owner_label(row["key_user_id"], owners) if split else ALL, names.name(row["model_id"]))
        line.calls += row["calls"]
        line.ledger_usd += row["charged_usd"]
        line.in_doubt_usd += row["in_doubt_usd"] or Decimal(0)
    for each in billed:
        line = line_of((key_label(each.key, owners) or each.key or "no key") if split else ALL, names.name(each.model))
        line.provider_usd += each.cost_usd
        line.rounding_usd += each.rounding_usd
    return [found[place] for place in sorted(found)]


class ModelNames:
    """One name for each model, the ledger's if it has one: exports write ids, dated ids or display names."""

    def __init__(self, *, by_model: bool) -> None:
        self.by_model = by_model
        self.names: dict[object, str] = {}

    def name(self, model: str) -> str:
        return self.names.setdefault(model_key(model), without_date(model)) if self.by_model else ALL


def model_key(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a model's id and its display name have in common: `claude-3-5-haiku-20241022` and “Claude Haiku 3.5”."""
    parts = re.findall(r"[a-z0-9]+", without_date(name.lower().strip().rpartition("/")[2]).removesuffix("-latest"))
    numbers = [part for part in parts if part.isdigit()]
    while len(numbers) > 1 and numbers[-1] == "0":
        numbers.pop()
    return tuple(sorted(part for part in parts if not part.isdigit())), tuple(numbers)


def owners_by_ending(keys: Iterable[ListedKey]) -> Mapping[str, frozenset[int | None]]:
    """The users with a key that ends in these four characters; the operator is None."""
    found: dict[str, set[int | None]] = defaultdict(set)
    for key in keys:
        if key.last_four:
            found[key.last_four].add(key.user_id)
    return {last_four: frozenset(owners) for last_four, owners in found.items()}


def key_label(text: str, owners: Mapping[str, frozenset[int | None]]) -> str | None:
    """The label of the key that an export names; None if it is none of ours."""
    last_four = text.strip()[-4:]
    return f"…{last_four}" if last_four in owners else None


def owner_label(user_id: int | None, owners: Mapping[str, frozenset[int | None]]) -> str:
    """The label of the key of a user, or of the operator (None)."""
    ends = sorted(last_four for last_four, users in owners.items() if user_id in users)
    if ends:
        return f"…{ends[0]}"
    return "the operator's" if user_id is None else f"user {user_id}'s"
