"""What an attempt is charged: its usage at the price of the model that was served, or its ceiling."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from llm_monitoring import registry
from llm_monitoring.domain import ProviderName, Usage
from llm_monitoring.ledger.attempts import Attempt, Settlement
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.logs import redact
from llm_monitoring.providers import Answer, ProviderError
from llm_monitoring.registry import NotCallable, Price, Unpriced

log = logging.getLogger(__name__)

LONGEST_NAME: Final = 100  # characters of a name from a reply that a log line holds


@dataclass(frozen=True, slots=True)
class Charges:
    """Turns answers and errors into settlements. `base_urls`: the endpoints that providers are called at."""

    budget: Budget
    base_urls: Mapping[ProviderName, str]

    def of_answer(self, attempt: Attempt, price: Price, answer: Answer) -> Settlement:
        """The cost of an answer; its ceiling if the usage is missing or has no price."""
        if answer.usage is None:
            return Settlement("unknown", model_served=answer.model, error_kind="usage_missing")
        return self.settlement(attempt, price, answer.usage, answer.model)

    def of_error(self, attempt: Attempt, price: Price, error: ProviderError) -> Settlement:
        """The cost of a failed call: nothing, its usage, or its ceiling if it may have been billed (section 5.5)."""
        message = redact(str(error))
        if error.billed == "no":
            return Settlement("void", error_kind=error.kind, error_message=message)
        if error.billed == "yes" and error.usage is not None:
            settlement = self.settlement(attempt, price, error.usage, error.model or "")
            return replace(settlement, model_served=error.model, error_kind=error.kind, error_message=message)
        return Settlement("unknown", error_kind=error.kind, error_message=message)

    def settlement(self, attempt: Attempt, price: Price, usage: Usage, served: str) -> Settlement:
        """The cost of a usage; without a price for it the ceiling, or its least possible cost if that is more."""
        found = self.price_for(attempt, price, usage, served)
        if found is not None:
            cost = registry.cost(found, usage, attempt.mode)
            saved = registry.cost(found, usage) - cost
            return Settlement("settled", cost, usage, served, saved_usd=saved)
        least = registry.least_cost(price, usage)
        if least > attempt.ceiling_usd:
            return Settlement("settled", least, usage, served)
        return Settlement("unknown", Decimal(0), usage, served, "unpriced")

    def price_for(self, attempt: Attempt, price: Price, usage: Usage, served: str) -> Price | None:
        """The price of the served model; None, and a log line, if it has none for this usage."""
        if usage.cost_usd:
            return price
        dearest = self.served_price(attempt, price, served)
        try:
            if dearest is not None:
                registry.cost(dearest, usage, attempt.mode)
                return dearest
            part, value = "model", served
        except Unpriced as exc:
            part, value = exc.part, exc.value
        name = redact(value)[:LONGEST_NAME]
        fields = {
            "event": "call.unpriced",
            "user_id": attempt.user_id,
            "provider": attempt.provider,
            "model_id": attempt.model_id,
            "part": part,
            "value": name,
        }
        text = "⚠️ %s/%s: la respuesta nombra lo que no tiene precio (%s %s); se cobra el techo de la llamada, %s USD"
        log.warning(text, attempt.provider, attempt.model_id, part, name, attempt.ceiling_usd, extra=fields)
        return None

    def served_price(self, attempt: Attempt, price: Price, served: str) -> Price | None:
        """The price of the asked model; if another one was served, the dearer of both, part by part.

        None: the registry has no price for the served model.
        """
        if registry.is_same_model(attempt.model_id, served):
            return price
        try:
            model = registry.find_served(self.budget.db, attempt.provider, served)
        except NotCallable:
            return None
        if model is None or model.prices is None:
            return None
        fields = {
            "event": "call.other_model",
            "user_id": attempt.user_id,
            "provider": attempt.provider,
            "model_id": attempt.model_id,
            "served": model.model_id,
        }
        text = "⚠️ %s/%s: respondió %s; se cobra al más caro de los dos precios"
        log.warning(text, attempt.provider, attempt.model_id, model.model_id, extra=fields)
        times = (*self.budget.sending_times(attempt.id), *self.budget.pricing_times())
        return registry.dearest(price, model.tariff(self.base_urls.get(attempt.provider)).at(*times))


def report_overrun(attempt: Attempt, settlement: Settlement) -> None:
    """Report a call that cost more than its ceiling, e.g. by fees of tools that it did not offer: all is charged."""
    if settlement.state == "settled" and settlement.cost_usd > attempt.ceiling_usd:
        fields = {"event": "call.over_ceiling", "user_id": attempt.user_id, "provider": attempt.provider}
        text = "❌ La llamada %s costó %s USD, por encima de su techo de %s USD"
        log.error(text, attempt.id, settlement.cost_usd, attempt.ceiling_usd, extra=fields)
