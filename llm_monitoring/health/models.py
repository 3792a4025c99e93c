"""Checks of the current models and their prices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from llm_monitoring import registry
from llm_monitoring.db import Database, load
from llm_monitoring.domain import PROVIDERS, ProviderName
from llm_monitoring.health.check_result import CheckResult, green, red, yellow
from llm_monitoring.keys import KeyCheck
from llm_monitoring.ledger import Budget
from llm_monitoring.model_review import findings
from llm_monitoring.model_review.findings import PriceDrift
from llm_monitoring.process.wording import PROGRAM
from llm_monitoring.registry import ModelChange, RegistryEntry

SQL = load("health")


def models(db: Database, checked: Sequence[KeyCheck] | None) -> Iterator[CheckResult]:
    """For each provider: whether a model is current, has a price, and is listed by the keys that work."""
    asked = {row["provider"]: row["projects"] for row in db.all(SQL.asked_providers, {"providers": list(PROVIDERS)})}
    current = {entry.llm_provider: entry for entry in registry.read_entries(db) if entry.is_current}
    for provider in PROVIDERS:
        entry = current.get(provider)
        if entry is not None:
            yield model_result(provider, entry, checked)
        elif provider in asked:
            yield red(
                "model",
                f"{provider} has no current model and {asked[provider]} projects ask it",
                f"`{PROGRAM} models list`, then `models activate {provider} MODEL`",
            )
        else:
            yield yellow("model", f"{provider} has no current model; no project asks it", f"`{PROGRAM} models list`")


def prices(db: Database, budget: Budget) -> Iterator[CheckResult]:
    """Prices that begin within 60 days, rises charged without a decision, and differences to the price list."""
    for each in registry.coming_changes(db, budget.today()):
        yield price_result(each)
    for entry, drifts in findings.undecided(registry.read_entries(db), budget.today()):
        yield drift_result(entry, drifts)


def price_result(found: ModelChange) -> CheckResult:
    change, name = found.change, f"{found.provider}/{found.model_id}"
    parts = ", ".join(f"{part.name} {amount(part.before)} to {amount(part.after)}" for part in change.parts)
    when = f"{'since' if change.begun else 'from'} {change.valid_from} (UTC)"
    if change.source == "admin":
        return green("price", f"{name} costs another price {when}: {parts}, as {change.detail} decided")
    message = f"{name}: {parts} USD {when}, says {change.detail}; the dearer price is charged until an admin decides"
    return yellow(
        "price",
        message,
        f"`{PROGRAM} models price {found.provider} {found.model_id} --suggested --from {change.valid_from}`",
    )


def drift_result(entry: RegistryEntry, drifts: Sequence[PriceDrift]) -> CheckResult:
    parts = ", ".join(f"{each.name} {amount(each.registered)} and {amount(each.suggested)}" for each in drifts)
    message = f"{entry.name}: the registry and {drifts[0].source} differ: {parts}"
    return yellow("price", message, f"`{PROGRAM} models price {entry.llm_provider} {entry.model_id} --suggested`")


def amount(value: Decimal | None) -> str:
    return "no price" if value is None else f"{value.normalize():f}"


def model_result(provider: ProviderName, entry: RegistryEntry, checked: Sequence[KeyCheck] | None) -> CheckResult:
    name = entry.name
    if entry.read_price() is None:
        return red(
            "model", f"{name} is current and has no price", f"`{PROGRAM} models price {provider} {entry.model_id}`"
        )
    lists = [each.models for each in checked or () if each.key.provider == provider and each.verdict == "works"]
    if lists and all(findings.is_missing(provider, entry, {info.model_id: info for info in each}) for each in lists):
        return red(
            "model",
            f"{name} is current and {provider} does not list it",
            f"`{PROGRAM} models list`, then `models activate {provider} MODEL`",
        )
    why = findings.end_reason(entry, datetime.now(UTC))
    if why is not None:
        end = f"ends on {entry.retires_at:%Y-%m-%d}" if why == "retires" else "was missing in the last weekly checks"
        return yellow("model", f"{name} is current and {end}", f"`{PROGRAM} models list`, then `models activate`")
    return green("model", f"{name} is current and priced" + (", and listed by its provider" if lists else ""))
