"""One row of the ledger: a call to be paid, and how it ended."""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from llm_monitoring.domain import Lease, Mode, ProviderName, Task, Usage

Kind = Literal["answer", "sentiment", "probe"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to be paid: its user, task and model. `ceiling_usd` is the most that it can cost.

    `rates`: the rates that it is admitted with, as the JSON of `registry.write_rates`. `mode`: how it is asked.
    `lease`: the right to make it, if the run is distributed over several machines. `batch_id`: the batch that it is in.
    """

    id: uuid.UUID
    kind: Kind
    user_id: int
    provider: ProviderName
    model_id: str
    key_source: str
    ceiling_usd: Decimal
    run_id: int | None = None
    task: Task | None = None
    lease: Lease | None = None
    rates: str | None = None
    mode: Mode = "standard"
    batch_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an attempt ends. `settled` charges `cost_usd`, `unknown` the ceiling, `void` nothing.

    `saved_usd`: how much more the same usage costs in standard mode.
    """

    state: Literal["settled", "void", "unknown"]
    cost_usd: Decimal = Decimal(0)
    usage: Usage | None = None
    model_served: str | None = None
    error_kind: str | None = None
    error_message: str | None = None
    saved_usd: Decimal = Decimal(0)


def new_id() -> uuid.UUID:
    """An id of version 7: random after the millisecond, so that new ids are neighbours in every index."""
    milliseconds = time.time_ns() // 1_000_000
    return uuid.UUID(int=milliseconds << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62))


def reservation(attempt: Attempt, month: date, operator_budget_usd: Decimal | None) -> dict[str, Any]:
    """The parameters of the statements that reserve an attempt or explain a refusal."""
    task, lease = attempt.task, attempt.lease
    return {
        "id": str(attempt.id),
        "kind": attempt.kind,
        "user_id": attempt.user_id,
        "month": month,
        "run_id": attempt.run_id,
        "chunk_id": lease and lease.chunk_id,
        "lease": lease and str(lease.token),
        "provider": attempt.provider,
        "model_id": attempt.model_id,
        "key_source": attempt.key_source,
        "ceiling": attempt.ceiling_usd,
        "operator_budget": operator_budget_usd,
        "rates": attempt.rates,
        "mode": attempt.mode,
        "batch_id": attempt.batch_id and str(attempt.batch_id),
        "project_id": task and task.project_id,
        "query_id": task and task.query_id,
        "task_provider": task and task.provider,
        "analysis_date": task and task.day,
        "sample": task and task.sample,
    }
