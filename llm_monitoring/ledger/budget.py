"""The ledger of paid calls and the monthly budgets (design, section 5)."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from llm_monitoring.db import Conflict, Database, DatabaseClock, Locked, Rejected, Row, Transaction, load
from llm_monitoring.domain import ProviderName
from llm_monitoring.errors import Invalid, NotFound
from llm_monitoring.ledger.accounts import BLOCKED_AT, Audit, Standing, month_of
from llm_monitoring.ledger.attempts import Attempt, Settlement, new_id, reservation
from llm_monitoring.ledger.errors import BlockedBy, BudgetExceeded, Withdrawn, WithdrawnFor
from llm_monitoring.providers.base import Reply

SQL = load("budget")
log = logging.getLogger(__name__)

Clock = Callable[[], datetime]
EXACT_USD: Final = Decimal("1e-9")
LONGEST_TIER: Final = 50  # characters of the tier that a reply names


class Budget:
    """The ledger in a database. Safe to share between threads.

    `operator_budget_usd` is the most that all users together may spend in a month with the operator's keys; None: no
    limit. `clock` is the database's by default.
    """

    def __init__(
        self,
        db: Database,
        default_budget_usd: Decimal = Decimal(100),
        clock: Clock | None = None,
        *,
        operator_budget_usd: Decimal | None = None,
    ) -> None:
        self.db = db
        self.default_budget_usd = default_budget_usd
        self.operator_budget_usd = operator_budget_usd
        self.database_clock = DatabaseClock(db)
        self.clock = clock or self.database_clock

    def pricing_times(self) -> tuple[datetime, ...]:
        """The times to price a call at: if the clocks of database and machine differ, the dearer price is charged."""
        return (self.clock(),) if self.clock is not self.database_clock else (self.clock(), datetime.now(UTC))

    def sending_times(self, attempt_id: uuid.UUID) -> tuple[datetime, ...]:
        """The time when an attempt was sent; empty if it was not."""
        row = self.db.one(SQL.sending_time, {"id": str(attempt_id)})
        return () if row is None or row["sent_at"] is None else (row["sent_at"],)

    def today(self) -> date:
        """The day in UTC, which decides the prices in force."""
        return max(moment.astimezone(UTC).date() for moment in self.pricing_times())

    def month(self) -> date:
        """The calendar month in UTC that a call reserved now belongs to: at most the one after the database's."""
        next_month = month_of(self.database_clock()) + timedelta(days=32)
        return min(month_of(self.clock()), next_month.replace(day=1))

    def reserve(self, attempt: Attempt) -> None:
        """Take the attempt's ceiling from its user's budget and write its row, or raise BudgetExceeded or Withdrawn."""
        params = reservation(attempt, self.month(), self.operator_budget_usd)
        try:
            row = self.db.one(SQL.reserve, params)
            if row is None and self.ensure_account(attempt.user_id):
                row = self.db.one(SQL.reserve, params)
        except Locked as exc:
            raise BudgetExceeded(BlockedBy.LOCK, attempt.user_id, attempt.ceiling_usd, retry=True) from exc
        except Conflict as exc:  # another open attempt of its task, or this one, if the acknowledgement was lost
            refusal = self.refusal(attempt)
            if isinstance(refusal, BudgetExceeded):
                raise Withdrawn(WithdrawnFor.TASK_TAKEN) from exc
        else:
            refusal = None if row is not None else self.refusal(attempt)
        if refusal is not None:
            raise refusal

    def refusal(self, attempt: Attempt) -> BudgetExceeded | Withdrawn | None:
        """Why a reservation changed nothing; None if it had been committed before its connection broke.

        Money that other calls have reserved may be returned. A retry is worthwhile if these calls are made by other
        machines or for other users: the dispatcher waits for those of this process and user.
        """
        row = self.db.one(SQL.refusal, reservation(attempt, self.month(), self.operator_budget_usd))
        assert row is not None
        if row["superseded"]:
            return Withdrawn(WithdrawnFor.SUPERSEDED)
        if row["admitted_before"]:
            return None
        of_operator = attempt.key_source == "operator"
        by, retry = BlockedBy.BUDGET, False
        if row["fits_unreserved"]:
            if of_operator and not row["operator_fits_unreserved"]:
                by = BlockedBy.OPERATOR_BUDGET
            else:
                retry = attempt.lease is not None or bool(of_operator and row["fits"])
        return BudgetExceeded(by, attempt.user_id, attempt.ceiling_usd, retry=retry)

    def ensure_account(self, user_id: int) -> bool:
        """Give the user an account with the defaults; True if there was none.

        The limit is the column's default, so that a role without the right to set limits can open an account. Raises
        ConfigurationError if that default is not ours and the role cannot set it.
        """

        def open_account(tx: Transaction) -> bool:
            row = tx.one(SQL.open_account, {"user_id": user_id})
            if row is not None and row["monthly_budget_usd"] != self.default_budget_usd:
                limit = {"user_id": user_id, "budget": self.default_budget_usd, "threshold": None}
                tx.execute(SQL.set_budget, limit)
            return row is not None

        try:
            return self.db.transact(open_account)
        except Rejected as exc:
            if exc.constraint is None:  # the user exists: a trigger of the host refuses the account
                raise
            raise NotFound("user", user_id) from exc

    def set_default_limit(self) -> None:
        """Make the default budget the limit that the database gives new accounts; only the tables' owner can."""

        def alter(tx: Transaction) -> None:
            tx.one(SQL.choose_default_budget, {"default_budget": str(self.default_budget_usd)})
            tx.execute(SQL.set_default_budget)

        self.db.transact(alter)

    def mark_sent(self, attempt: Attempt, rates: str | None = None) -> bool:
        """Commit that the call goes out now, at `rates` if given; it may be made only if this is True."""
        params = {"id": str(attempt.id), "token": str(uuid.uuid4()), "rates": rates}
        row = self.db.one(SQL.mark_sent, params)
        return row is not None and row["state"] == "sent"  # not if a trigger of the host keeps it from being marked

    def keep_receipt(self, attempt_id: uuid.UUID, reply: Reply, body: bytes) -> None:
        """Store the reply of an attempt; `body` is its body without any key."""
        self.db.execute(
            SQL.keep_receipt,
            {
                "id": str(attempt_id),
                "status": reply.status,
                "latency_ms": reply.latency_ms,
                "request_id": reply.request_id,
                "service_tier": reply.service_tier,
                "body": body,
            },
        )

    def release(self, attempt_id: uuid.UUID, error_kind: str, error_message: str) -> None:
        """Void a reservation that never went out."""
        settlement = Settlement("void", error_kind=error_kind, error_message=error_message)
        self.db.transact(lambda tx: self.close(tx, attempt_id, settlement, from_states=("reserved",)))

    def close(
        self,
        tx: Transaction,
        attempt_id: uuid.UUID,
        settlement: Settlement,
        from_states: Sequence[str] = ("sent", "unknown"),
    ) -> Decimal | None:
        """Close an attempt within `tx`; return what its user is charged in USD, None if it was closed before.

        Raises Rejected if the database charges another amount.
        """
        usage = settlement.usage
        row = tx.one(
            SQL.close,
            {
                "id": str(attempt_id),
                "from_states": list(from_states),
                "state": settlement.state,
                "cost": settlement.cost_usd,
                "model_served": settlement.model_served,
                "input_tokens": usage and usage.input_tokens,
                "output_tokens": usage and usage.output_tokens,
                "cached_tokens": usage and usage.cached_tokens,
                "cache_write_tokens": usage and usage.cache_write_tokens,
                "reasoning_tokens": usage and usage.reasoning_tokens,
                "searches": usage and usage.searches,
                "error_kind": settlement.error_kind,
                "error_message": settlement.error_message,
                "service_tier": usage and usage.service_tier[:LONGEST_TIER],
                "saved": settlement.saved_usd,
            },
        )
        if row is None:
            return None
        charged = {"settled": settlement.cost_usd, "unknown": row["ceiling_usd"]}.get(settlement.state, Decimal(0))
        if abs(row["charged_usd"] - charged) > EXACT_USD:
            raise Rejected(f"the database makes a charge of {charged} USD {row['charged_usd']}: look at its triggers")
        if row["moved"]:
            tx.execute(SQL.count_reserved, {"user_id": row["user_id"]})
        self.raise_alerts(tx, row)
        return Decimal(row["charged_usd"])

    def raise_alerts(self, tx: Transaction, row: Row) -> None:
        """Record each threshold that the user's spend has reached; the database allows one of each a month."""
        if row["current_month_spend"] is None or not row["monthly_budget_usd"]:
            return
        spent, budget = row["current_month_spend"], row["monthly_budget_usd"]
        percent = 100 * spent / budget
        for threshold in {row["spending_alert_threshold"], BLOCKED_AT}:
            if percent >= threshold:
                alert = {"user_id": row["user_id"], "month": row["month"], "threshold": threshold}
                tx.execute(SQL.raise_alert, alert | {"spent": spent, "budget": budget})

    def standings(self, *, start_month: bool = True) -> list[Standing]:
        """The standing of every user this month; a new month starts here unless `start_month` is off (a dry run)."""
        month = self.month()
        if start_month:
            self.start_month(month)
        rows = self.db.all(SQL.standings, {"month": month, "default_budget": self.default_budget_usd})
        return [Standing(**row) for row in rows]

    def saved(self) -> dict[int, Decimal]:
        """What cheaper modes have saved each user this month, in USD; users without a saving are left out."""
        return {row["user_id"]: row["saved_usd"] for row in self.db.all(SQL.saved, {"month": self.month()})}

    def saved_in(self, project_id: int) -> Decimal:
        """What cheaper modes have saved in a project this month, in USD."""
        row = self.db.one(SQL.saved_in, {"month": self.month(), "project_id": project_id})
        return Decimal(row["saved_usd"]) if row else Decimal(0)

    def start_month(self, month: date) -> None:
        """Start the month of every account that is in an earlier one.

        An account that cannot be written does not stop the others; its next call starts its month as well.
        """
        due = [row["user_id"] for row in self.db.all(SQL.due_accounts, {"month": month})]
        if not due:
            return
        try:
            self.db.execute(SQL.start_month, {"month": month, "user_ids": due})
        except (Locked, Rejected, Conflict):
            for user_id in due:
                try:
                    self.db.execute(SQL.start_month, {"month": month, "user_ids": [user_id]})
                except (Locked, Rejected, Conflict) as exc:
                    fields = {"event": "budget.month_not_started", "user_id": user_id}
                    log.warning("⚠️ User #%s: no se pudo empezar el mes: %s", user_id, exc, extra=fields)

    def correct(
        self, user_id: int, amount_usd: Decimal, reason: str, entry_id: str | None = None, month: date | None = None
    ) -> Decimal:
        """Add `amount_usd` (may be negative) to the user's month by hand, as a ledger entry; return that month's spend.

        `month`: the first day of a month that is over; by default the present one. A caller within a transaction, which
        may be repeated after a lost commit, gives the entry's id.
        """
        if not amount_usd.is_finite():
            raise Invalid("amount_usd", f"user {user_id}: {amount_usd} is no amount in USD")
        self.ensure_account(user_id)
        present = self.month()
        params = {
            "id": entry_id or str(new_id()),
            "user_id": user_id,
            "month": month or present,
            "amount": amount_usd,
            "reason": reason,
        }

        def enter(tx: Transaction) -> Decimal:
            row = tx.one(SQL.add_correction, params)
            assert row is not None
            self.raise_alerts(tx, row)
            return Decimal(row["current_month_spend"])

        def enter_late(tx: Transaction) -> Decimal:
            tx.execute(SQL.start_month, {"month": present, "user_ids": [user_id]})
            tx.one(SQL.lock_account, params)
            row = tx.one(SQL.add_late_correction, params)
            if row is None:
                raise Rejected("the month's spend would be negative")
            return Decimal(row["spent_usd"])

        try:
            return self.db.transact(enter if params["month"] == present else enter_late)
        except Conflict:  # it was entered before: the acknowledgement of that commit was lost
            row = self.db.one(SQL.month_spent, params)
            return Decimal(row["spent_usd"]) if row else Decimal(0)
        except Rejected as exc:
            message = f"user {user_id}: a correction of {amount_usd} USD would make the spend negative"
            raise Invalid("amount_usd", message) from exc

    def set_limits(self, user_id: int, budget_usd: Decimal | None, threshold: Decimal | None) -> None:
        """Change a user's monthly limit in USD and alert threshold in percent; None leaves a value as it is."""
        self.ensure_account(user_id)
        try:
            self.db.execute(SQL.set_budget, {"user_id": user_id, "budget": budget_usd, "threshold": threshold})
        except Rejected as exc:
            message = "a budget is an amount in USD from 0 and a threshold between 0 and 100 percent"
            raise Invalid("budget_usd", message) from exc

    def history(self, user_id: int | None, months: int) -> list[Row]:
        """The charges of the last `months`, a row for each user (or one user) and month, newest first."""
        return self.db.all(SQL.history, {"user_id": user_id, "months": months, "month": self.month()})

    def open_attempts(
        self, chunk_id: int | None = None, after: Row | None = None, *, received: bool = False
    ) -> list[Row]:
        """A page of attempts that are reserved or sent, oldest first, with their receipts; of one chunk or of all.

        `after` is the last row of the page before: attempts that stay open are not returned again. `received`: only
        those with a receipt.
        """
        place = {"after_at": after and after["reserved_at"], "after_id": after and after["id"]}
        return self.db.all(SQL.open_attempts, {"chunk_id": chunk_id, "received": received, **place})

    def flush(self) -> None:
        """Wait until everything that is committed is on the disk: a commit after a receipt does not wait for it."""
        self.db.all(SQL.flush)

    def audit(self) -> Audit:
        """Compare the counters with the ledger, and list attempts that are open or out of bounds."""
        size = self.db.one(SQL.ledger_size) or {}
        return Audit(
            attempts=size["attempts"],
            users=size["users"],
            charged_usd=size["charged_usd"],
            differences=self.differences(),
            over_budget=[s for s in self.standings(start_month=False) if s.spent_usd + s.reserved_usd > s.budget_usd],
            over_ceiling=self.db.all(SQL.over_ceiling),
            open_attempts=self.open_by_user(),
            over_admitted=self.db.all(SQL.over_admitted),
            left_open=self.db.all(SQL.left_open),
            operator_difference=self.operator_difference(),
        )

    def operator_standing(self) -> tuple[Decimal, Decimal]:
        """Spent and reserved this month with the operator's keys by all users, in USD."""
        row = self.db.one(SQL.operator_standing, {"month": self.month()})
        return (row["spent_usd"], row["reserved_usd"]) if row is not None else (Decimal(0), Decimal(0))

    def operator_difference(self) -> Row | None:
        """The counters of the operator's account if they are not the sums of its calls."""
        return self.db.one(SQL.operator_difference)

    def differences(self) -> list[Row]:
        """Users with counters that are not the sums of their attempts; reads only the months of the counters."""
        return self.db.all(SQL.counter_differences)

    def open_by_user(self) -> list[Row]:
        """The number of open attempts of each user, and the sum of their ceilings."""
        return self.db.all(SQL.count_open_attempts)

    def attempts_of(self, user_id: int, month: date) -> list[Row]:
        """A user's ledger entries of a month, oldest first."""
        return self.db.all(SQL.attempts_of, {"user_id": user_id, "month": month})

    def repair(self, user_id: int) -> Row | None:
        """Set a user's counters to the sums of their attempts, in one transaction; None if they were right.

        Safe during a run, which changes attempts and counters together under the lock of the user's row.
        """

        def repair(tx: Transaction) -> Row | None:
            tx.one(SQL.lock_account, {"user_id": user_id})
            row = tx.one(SQL.repair_counters, {"user_id": user_id})
            if row is not None:
                self.raise_alerts(tx, row)
            return row

        return self.db.transact(repair)

    def month_by_model(self, provider: ProviderName, month: date) -> list[Row]:
        """The charges of a month's calls to a provider, by owner of the key and model."""
        return self.db.all(SQL.month_by_model, {"provider": provider, "month": month})
