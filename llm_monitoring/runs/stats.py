"""What a run did, in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from llm_monitoring.domain import KeyId
from llm_monitoring.runs.limits import ClosedReason
from llm_monitoring.runs.reasons import StopReason


@dataclass(slots=True)
class RunStats:
    """What a run did, in tasks.

    `snapshotted`: the projects that already have their snapshots of the day, written by the process that asked.
    `locked_users`: users with an account that another application held; `unsettled`: calls left open because of that.
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
