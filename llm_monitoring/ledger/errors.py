"""Why a call is not made: codes and facts, to which the code that shows them adds the text."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final

from llm_monitoring.errors import MonitoringError


class BlockedBy(StrEnum):
    """What keeps a call from being admitted; stored as the reason of its task."""

    BUDGET = "budget"
    OPERATOR_BUDGET = "operator_budget"
    LOCK = "lock"


class WithdrawnFor(StrEnum):
    """Why a call that could be paid does not go out."""

    SUPERSEDED = "superseded"  # a later start, or another owner of the chunk, has taken over
    TASK_TAKEN = "task_taken"  # another call asks the task or has answered it
    PRICE_CHANGED = "price_changed"  # a dearer price has begun that the ceiling does not cover
    ENTRY_LOCKED = "entry_locked"  # another session holds the attempt's row


BLOCKED: Final[dict[BlockedBy, str]] = {
    BlockedBy.BUDGET: "what user {user_id} has left this month does not cover the call's ceiling of {ceiling:.4f} USD",
    BlockedBy.OPERATOR_BUDGET: "what LLM_OPERATOR_MONTHLY_BUDGET_USD leaves this month does not cover the call's "
    "ceiling of {ceiling:.4f} USD",
    BlockedBy.LOCK: "another application holds the account of user {user_id}",
}


class BudgetExceeded(MonitoringError):
    """The call is not admitted.

    `retry`: it may be admitted later in the same run, once other calls return what they reserved or another session
    releases the account.
    """

    def __init__(self, by: BlockedBy, user_id: int, ceiling_usd: Decimal, *, retry: bool = False) -> None:
        super().__init__(BLOCKED[by].format(user_id=user_id, ceiling=ceiling_usd))
        self.by = by
        self.user_id = user_id
        self.ceiling_usd = ceiling_usd
        self.retry = retry


class Withdrawn(MonitoringError):
    """The call does not go out, and nothing is charged."""

    def __init__(self, reason: WithdrawnFor) -> None:
        super().__init__(f"the call was withdrawn: {reason}")
        self.reason = reason
