"""Why a run, a project or a task has no answer: codes with their facts. `reason_texts` has what they say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from llm_monitoring.ledger import Standing


class StopReason(StrEnum):
    """Why a run ended before everything was asked; the table of runs keeps the code."""

    SIGNAL = "signal"
    DEADLINE = "deadline"
    TAKEN_OVER = "taken_over"
    CHUNK_FAILED = "chunk_failed"
    NO_BUDGET = "no_budget"
    NO_KEYS = "no_keys"
    ENDED_IN_ERROR = "ended_in_error"
    PROCESS_ENDED = "process_ended"


class ProblemCode(StrEnum):
    """Why a project has nothing to show for a day."""

    UNREADABLE = "unreadable"
    NO_USER = "no_user"
    BLOCKED = "blocked"
    NO_PROVIDER = "no_provider"
    KEY_UNREADABLE = "key_unreadable"
    KEYLESS = "keyless"
    NO_ANSWER = "no_answer"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a provider's tasks have no answer: the reason's code and the message that was stored with it."""

    provider: str
    reason: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class ProjectProblem:
    """Why a project has nothing to show for a day: a code with its facts."""

    code: ProblemCode
    project_id: int
    name: str = ""
    user_id: int | None = None
    standing: Standing | None = None
    providers: tuple[str, ...] = ()
    detail: str = ""
    causes: tuple[Cause, ...] = ()
    stopped: StopReason | None = None
