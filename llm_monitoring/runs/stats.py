"""What a run did, in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from llm_monitoring.domain import KeyId
from llm_monitoring.runs.limits import ClosedReason
from llm_monitoring.runs.reasons import StopReason

ASKED_AGAIN: Final = ("budget", "operator_budget", "budget_reserved")


@dataclass(slots=True)
class RunStats:
    """What a run did, in tasks.

    `snapshotted`: the projects that already have their snapshots of the day, written by the process that asked.
    `locked_users`: users with an account that another application held; `unsettled`: calls left open because of that.
    `late`: projects and days that got late answers.
    """

    answered: int = 0
    failed: int = 0
    scored: int = 0
    blocked_users: set[int] = field(default_factory=set)
    locked_users: set[int] = field(default_factory=set)
    unsettled: int = 0
    closed_keys: dict[KeyId, ClosedReason] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    snapshotted: set[int] = field(default_factory=set)
    stopped: StopReason | None = None
    late: set[tuple[int, date]] = field(default_factory=set)

    def joined_with(self, other: RunStats) -> RunStats:
        """The stats of a run that asked other tasks as well."""
        return RunStats(
            answered=self.answered + other.answered,
            failed=self.failed + other.failed,
            scored=self.scored + other.scored,
            blocked_users=self.blocked_users | other.blocked_users,
            locked_users=self.locked_users | other.locked_users,
            unsettled=self.unsettled + other.unsettled,
            closed_keys=self.closed_keys | other.closed_keys,
            reasons=self.reasons + other.reasons,
            stopped=self.stopped or other.stopped,
        )

    def followed_by(self, rest: RunStats, collected: int, late: set[tuple[int, date]]) -> RunStats:
        """The stats of a run that collected so many answers after this part, and then asked `rest`.

        What this part left for want of budget was asked again in the rest, which alone says what became of it.
        """
        again = sum(self.reasons[reason] for reason in ASKED_AGAIN)
        reasons = Counter({name: count for name, count in self.reasons.items() if name not in ASKED_AGAIN})
        return RunStats(
            answered=self.answered + collected + rest.answered,
            failed=self.failed - again + rest.failed,
            scored=self.scored + rest.scored,
            blocked_users=rest.blocked_users,
            locked_users=self.locked_users | rest.locked_users,
            unsettled=self.unsettled + rest.unsettled,
            closed_keys=self.closed_keys | rest.closed_keys,
            reasons=reasons + rest.reasons,
            stopped=rest.stopped,
            late=late,
        )
