"""The bill that a reply holds: the provider's own, or that of a gateway in front of it."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from llm_monitoring.providers.parsing import InvalidUsage, part

MOST_USD: Final = Decimal(10_000)
ROUNDING_USD: Final = Decimal("0.00001")
PLAIN_NUMBER: Final = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,30})?")


def cost_in(usage: dict[str, object]) -> Decimal | None:
    """Return the provider's own bill in USD; None if there is none, and where it claims to be free.

    A gateway may give the total alone, as a bare number, and its own fee apart from what the owner of the key pays
    the provider. Raises Untrusted for an amount that no call can cost, for one in another form or currency, and for
    a total below the sum of its parts.
    """
    cost = usage.get("cost")
    bill = total_of(cost) if isinstance(cost, dict) else positive(amount(cost))
    beyond = positive(amount(part(usage.get("cost_details")).get("upstream_inference_cost")))
    if beyond is None:
        return bill
    return max(bill or beyond, beyond) if usage.get("is_byok") is False else (bill or Decimal(0)) + beyond


def total_of(bill: dict[str, object]) -> Decimal | None:
    """Return the total of an itemised bill, which may lack it; raises Untrusted."""
    currency = bill.get("currency") or "USD"
    if not isinstance(currency, str) or currency.strip().upper() != "USD":
        raise InvalidUsage
    amounts = {name: amount(value) for name, value in bill.items() if name.endswith("_cost")}
    total = amounts.pop("total_cost", None)
    parts = sum((each for each in amounts.values() if each is not None), Decimal(0))
    found = positive(total) or positive(parts)
    if found is None and bill.keys() - amounts.keys() - {"currency", "total_cost"}:
        raise InvalidUsage
    if found is not None and found < parts - ROUNDING_USD:
        raise InvalidUsage
    return found


def amount(value: object) -> Decimal | None:
    """Return an amount in USD, None for none; raises Untrusted for what is no number and for what no call can cost."""
    if value is None:
        return None
    if not (type(value) in (int, Decimal) or (isinstance(value, str) and PLAIN_NUMBER.fullmatch(value))):
        raise InvalidUsage
    found = Decimal(str(value))
    if abs(found) > MOST_USD:
        raise InvalidUsage
    return found


def positive(bill: Decimal | None) -> Decimal | None:
    return bill if bill is not None and bill > 0 else None
