"""Whether the ledger admits an attempt, why it refuses one, and payments that store nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from llm_monitoring.ledger.attempts import Attempt
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.ledger.errors import BlockedBy, BudgetExceeded, Withdrawn, WithdrawnFor
from llm_monitoring.ledger.payment import Paid, Payment
from llm_monitoring.registry import Price


def admits(budget: Budget, attempt: Attempt) -> bool:
    """Whether the attempt is reserved; False only if its user's budget does not cover it."""
    try:
        budget.reserve(attempt)
    except BudgetExceeded as exc:
        if exc.by != BlockedBy.BUDGET or exc.retry:
            raise
        return False
    return True


@contextmanager
def refused(by: BlockedBy, *, retry: bool = False) -> Iterator[pytest.ExceptionInfo[BudgetExceeded]]:
    """Expect that the block is refused by this limit."""
    with pytest.raises(BudgetExceeded) as caught:
        yield caught
    assert by == caught.value.by
    assert retry == caught.value.retry


@contextmanager
def withdrawn(reason: WithdrawnFor) -> Iterator[None]:
    """Expect that the block is withdrawn for this reason."""
    with pytest.raises(Withdrawn) as caught:
        yield
    assert reason == caught.value.reason


def unsaved(attempt: Attempt, price: Price) -> Payment[Paid]:
    """A payment that stores neither its answer nor its failure."""
    return Payment(attempt, price, lambda tx, paid: paid, lambda tx, error: None)
