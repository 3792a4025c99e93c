"""Sets every account to the sums of the ledger at a start: the ledger is the truth (design, section 5)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal

from llm_monitoring.db import Row, RowErrors, Transaction, load
from llm_monitoring.ledger.accounts import BLOCKED_AT
from llm_monitoring.ledger.attempts import new_id
from llm_monitoring.ledger.budget import Budget

SQL = load("balancing")
log = logging.getLogger(__name__)

Reason = Literal[
    "host_added",
    "host_added_before",
    "host_lowered",
    "reserved_changed",
    "month_ahead",
    "no_amount",
    "no_limit",
    "not_kept",
]
SENTENCES: Final[dict[Reason, str]] = {
    "host_added": "la aplicación sumó gasto propio, que entra en el libro",
    "host_added_before": "la aplicación había sumado gasto en un mes ya acabado, que entra en el libro de ese mes",
    "host_lowered": "la aplicación rebajó el gasto, que vuelve al del libro (para rebajarlo: `budget correct`)",
    "reserved_changed": "lo reservado no era lo de sus llamadas abiertas",
    "month_ahead": "su mes estaba en el futuro y vuelve al actual",
    "no_amount": "su gasto no era un número",
    "no_limit": "su límite no es una cantidad: no se gasta nada hasta fijarlo con `budget set`",
    "not_kept": "la base de datos redondea o cambia lo que se le escribe; cuenta el libro",
}


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A change to an account that did not agree with the ledger, in USD. `user_id` is None for the operator's."""

    user_id: int | None
    reason: Reason
    was: Decimal | None = None
    now: Decimal | None = None

    @property
    def sentence(self) -> str:
        """The adjustment for the operator's log and digest."""
        who = "Operador" if self.user_id is None else f"User #{self.user_id}"
        amounts = "" if self.now is None else f": {'NaN' if self.was is None else f'${self.was:f}'} → ${self.now:f}"
        return f"{who}: {SENTENCES[self.reason]}{amounts}"


def balance(budget: Budget, errors: RowErrors) -> list[Adjustment]:
    """Balance every account, each in its own transaction, and return the adjustments. Needs the run's lock.

    A spend above the ledger's is entered in it as the host's own; a spend below it is set back. Whoever started the
    month before has entered what the host had added to the ended one: that is reported here, and due alerts are raised.
    """
    month = budget.month()
    budget.start_month(month)
    ended = budget.db.all(SQL.added_before, {"month": month})
    adjusted = [Adjustment(row["user_id"], "host_added_before", row["was"], row["now"]) for row in ended]
    for row in budget.db.all(SQL.accounts_astray, {"month": month}):
        with errors.guard("balance_account", f"User #{row['user_id']}", user_id=row["user_id"]):
            adjusted += balance_one(budget, row["user_id"], month)
    with errors.guard("balance_account", "Operador"):
        adjusted += balance_operator(budget, month)
    with errors.guard("balance_account", "Avisos de presupuesto"):
        budget.db.execute(SQL.raise_due_alerts, {"month": month, "blocked_at": BLOCKED_AT})
    for adjustment in adjusted:
        fields = {"event": "budget.adjusted", "user_id": adjustment.user_id, "reason": adjustment.reason}
        log.warning("⚖️ %s", adjustment.sentence, extra=fields)
    return adjusted


def balance_one(budget: Budget, user_id: int, month: date) -> list[Adjustment]:
    entry_id = str(new_id())
    params = {"user_id": user_id, "month": month}

    def set_to_ledger(tx: Transaction) -> list[Adjustment]:
        tx.one(SQL.lock_account, params)
        account = tx.one(SQL.account, params)
        if account is None:
            return []
        if not account["has_budget"]:
            return [Adjustment(user_id, "no_limit")]  # until it is set, the database refuses any change of the row
        extra = Decimal(0) if account["is_ahead"] else (account["spent"] or 0) - account["ledger_spent"]
        if extra > 0:
            tx.execute(SQL.enter_host_spend, {**params, "id": entry_id, "amount": extra})
        kept = tx.one(SQL.set_account, params)
        assert kept is not None
        budget.raise_alerts(tx, kept)
        return adjustments(user_id, account, kept)

    return budget.db.transact(set_to_ledger)


def adjustments(user_id: int, account: Row, kept: Row) -> list[Adjustment]:
    """What differed in an account, and whether the database kept what was written."""
    spent, reserved = account["spent"], account["reserved"]
    found: list[Adjustment] = []
    if account["is_ahead"]:
        found.append(Adjustment(user_id, "month_ahead", spent, kept["ledger_spend_usd"]))
    elif spent is None:
        found.append(Adjustment(user_id, "no_amount", None, kept["ledger_spend_usd"]))
    elif spent != account["ledger_spent"]:
        added = spent > account["ledger_spent"]
        was, now = (account["ledger_spent"], spent) if added else (spent, account["ledger_spent"])
        found.append(Adjustment(user_id, "host_added" if added else "host_lowered", was, now))
    if not account["is_ahead"] and reserved != account["ledger_reserved"]:
        found.append(Adjustment(user_id, "reserved_changed", reserved, account["ledger_reserved"]))
    if kept["current_month_spend"] != kept["ledger_spend_usd"]:
        found.append(Adjustment(user_id, "not_kept", kept["current_month_spend"], kept["ledger_spend_usd"]))
    return found


def balance_operator(budget: Budget, month: date) -> Sequence[Adjustment]:
    def set_to_ledger(tx: Transaction) -> list[Adjustment]:
        before = tx.one(SQL.lock_operator)
        if before is None:  # the table was emptied: without its row no call with the operator's keys is admitted
            tx.execute(SQL.open_operator, {"month": month})
            before = tx.one(SQL.lock_operator)
        kept = tx.one(SQL.set_operator, {"month": month})
        if before is None or kept is None:
            return []
        reason: Reason = "month_ahead" if before["month"] > month else "host_lowered"
        if reason == "host_lowered" and before["spent_usd"] == kept["spent_usd"]:
            return [Adjustment(None, "reserved_changed", before["reserved_usd"], kept["reserved_usd"])]
        return [Adjustment(None, reason, before["spent_usd"], kept["spent_usd"])]

    return budget.db.transact(set_to_ledger)
