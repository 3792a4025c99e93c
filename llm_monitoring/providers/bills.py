"""Reads the bill in a reply, the provider's own or a gateway's."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from llm_monitoring.providers.parsing import InvalidUsage, part

MOST_USD: Final = Decimal(10_000)
ROUNDING_USD: Final = Decimal("0.00001")
PLAIN_NUMBER: Final = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,30})?")


def cost_in(usage: dict[str, object]) -> Decimal | None:
    """Return the bill in USD; None if there is none or if it is zero.

    A gateway may give a total as a bare number, and the provider's cost as a separate field: with the key of the
    account's owner (BYOK) both are paid. Raises InvalidUsage for an amount that no call can cost, for another form
    or currency, and for a total below the sum of its parts.
    """
    cost = usage.get("cost")
    bill = total_of(cost) if isinstance(cost, dict) else positive(amount(cost))
    upstream = positive(amount(part(usage.get("cost_details")).get("upstream_inference_cost")))
    if upstream is None:
        return bill
    return max(bill or upstream, upstream) if usage.get("is_byok") is False else (bill or Decimal(0)) + upstream


def total_of(bill: dict[str, object]) -> Decimal | None:
    """Return the total of an itemised bill, or the sum of its items if it has no total; raises InvalidUsage."""
    currency = bill.get("currency") or "USD"
    if not isinstance(currency, str) or currency.strip().upper() != "USD":
        raise InvalidUsage
    amounts = {name: amount(value) for name, value in bill.items() if name.endswith("_cost")}
    stated = amounts.pop("total_cost", None)
    parts = sum((each for each in amounts.values() if each is not None), Decimal(0))
    total = positive(stated) or positive(parts)
    if total is None and bill.keys() - amounts.keys() - {"currency", "total_cost"}:
        raise InvalidUsage
    if total is not None and total < parts - ROUNDING_USD:
        raise InvalidUsage
    return total


def amount(value: object) -> Decimal | None:
    """Return an amount in USD, None if absent; raises InvalidUsage unless it is a number that a call can cost."""
    if value is None:
        return None
    if not (type(value) in (int, Decimal) or (isinstance(value, str) and PLAIN_NUMBER.fullmatch(value))):
        raise InvalidUsage
    usd = Decimal(str(value))
    if abs(usd) > MOST_USD:
        raise InvalidUsage
    return usd


def positive(bill: Decimal | None) -> Decimal | None:
    return bill if bill is not None and bill > 0 else None
