"""The ledger: accounts, the budget, one paid call from reservation to settlement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_monitoring.ledger.accounts import Audit, Standing, blocked_users
from llm_monitoring.ledger.attempts import Attempt, Kind, Settlement, new_id
from llm_monitoring.ledger.balancing import Adjustment, balance, balance_operator
from llm_monitoring.ledger.budget import Budget
from llm_monitoring.ledger.errors import BlockedBy, BudgetExceeded, Withdrawn, WithdrawnFor
from llm_monitoring.ledger.pacing import Pacing, pacing_of, read_pacings, read_steps, set_pacing
from llm_monitoring.process.late_names import late_names

if TYPE_CHECKING:
    from llm_monitoring.ledger.payment import (
        Paid,
        Payment,
        PaymentService,
        SettlementDelayed,
        Unsettled,
        is_final,
        redact_bytes,
    )
else:
    __getattr__ = late_names(
        __name__, {"payment": "Paid Payment PaymentService SettlementDelayed Unsettled is_final redact_bytes"}
    )

__all__ = [
    "Adjustment",
    "Attempt",
    "Audit",
    "BlockedBy",
    "Budget",
    "BudgetExceeded",
    "Kind",
    "Pacing",
    "Paid",
    "Payment",
    "PaymentService",
    "Settlement",
    "SettlementDelayed",
    "Standing",
    "Unsettled",
    "Withdrawn",
    "WithdrawnFor",
    "balance",
    "balance_operator",
    "blocked_users",
    "is_final",
    "new_id",
    "pacing_of",
    "read_pacings",
    "read_steps",
    "redact_bytes",
    "set_pacing",
]
