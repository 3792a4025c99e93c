"""The chunks of a run on several machines: who owns each, and how far it is.

A chunk is waiting, running or done. Two things make a worker its owner: a session lock, which says that the owner
lives, and a lease (a token in the chunk's row), without which no call of the chunk is admitted. The coordinator
reclaims a running chunk with a free lock: it writes a lease of its own, so that the lost owner, should it still live,
can neither call nor report any more; then it settles the calls of the chunk and releases it to another worker.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from llm_monitoring.db import Database, Json, RowError, SessionLock, Transaction, load, read_record, records
from llm_monitoring.domain import Lease
from llm_monitoring.runs.reasons import StopReason

SQL = load("chunks")

LOCK_CLASS: Final = 0x4C4C4D43  # "LLMC", the upper half of every chunk's lock
LOCK_PARAMS: Final[dict[str, Any]] = {"class": LOCK_CLASS}


class ChunkLock(SessionLock):
    """The lock that a chunk's owner holds as long as it lives."""

    def __init__(self, db: Database, chunk_id: int) -> None:
        super().__init__(db, LOCK_CLASS << 32 | chunk_id)


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """A part of a day: whole projects, and how many of their tasks are open."""

    project_ids: tuple[int, ...]
    tasks: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of this owner. `answered` and `failed`: tasks that earlier owners did."""

    lease: Lease
    run_id: int
    day: date
    project_ids: Sequence[int]
    seconds_left: float
    answered: int
    failed: int


@dataclass(frozen=True, slots=True)
class OpenChunk:
    """A chunk that is not done; `held` while its owner lives."""

    id: int
    waiting: bool
    held: bool


@dataclass(frozen=True, slots=True)
class LostChunk:
    """A chunk that was reclaimed from `worker`, which died: its new lease, and how many owners it has lost."""

    lease: Lease
    losses: int
    worker: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a chunk or a run is, in tasks."""

    answered: int
    failed: int


@dataclass(frozen=True, slots=True)
class ChunkReport:
    """What an owner reports of its chunk, for the run's own report; `snapshotted` as in RunStats."""

    blocked_users: Collection[int] = ()
    locked_users: Collection[int] = ()
    unsettled: int = 0
    snapshotted: Collection[int] = ()
    row_errors: Sequence[RowError] = ()


@dataclass(frozen=True, slots=True)
class ChunkTotals:
    """What all chunks of a run came to, counted in the stored answers and failures; `snapshotted` as in RunStats."""

    answered: int
    reasons: Mapping[str, int]
    blocked_users: frozenset[int]
    locked_users: frozenset[int]
    unsettled: int
    snapshotted: frozenset[int]
    row_errors: Sequence[RowError]
    stopped: StopReason | None


def add(
    db: Database, run_id: int, plans: Sequence[ChunkPlan], seconds: float, settings: Mapping[str, str]
) -> list[int]:
    """Store a run's chunks, which may be worked on for `seconds`, and the settings that its machines must share."""

    def insert(tx: Transaction) -> list[int]:
        tx.execute(SQL.store_shared_settings, {"run_id": run_id, "terms": Json(dict(settings))})
        return [insert_one(tx, plan) for plan in plans]

    def insert_one(tx: Transaction, plan: ChunkPlan) -> int:
        params = {"projects": list(plan.project_ids), "tasks": plan.tasks, "seconds": seconds}
        row = tx.one(SQL.add, {"run_id": run_id, **params})
        assert row is not None
        return int(row["id"])

    return db.transact(insert)


def shared_settings(db: Database, chunk_id: int) -> Mapping[str, str] | None:
    """The settings that a chunk's owner must have; None if the chunk cannot be taken."""
    row = db.one(SQL.shared_settings, {"chunk_id": chunk_id})
    return None if row is None else dict(row["terms"])


def take(db: Database, chunk_id: int, worker: str) -> Chunk | None:
    """Become a chunk's owner; None if it is done, has another owner, or its run is over. Needs its lock."""
    lease = Lease(chunk_id, uuid.uuid4())
    row = db.one(SQL.take, {"chunk_id": chunk_id, "token": str(lease.token), "worker": worker})
    if row is None:
        return None
    return Chunk(
        lease, row["run_id"], row["day"], row["project_ids"], row["seconds_left"], row["answered"], row["failed"]
    )


def reclaim(db: Database, chunk_id: int) -> LostChunk | None:
    """Take a chunk from an owner that died; None if it had no owner. Needs its lock."""
    lease = Lease(chunk_id, uuid.uuid4())
    row = db.one(SQL.reclaim, {"chunk_id": chunk_id, "token": str(lease.token)})
    return None if row is None else LostChunk(lease, row["losses"], row["worker"])


def holds(db: Database, lease: Lease) -> bool:
    """Whether the lease is valid and its run goes on."""
    row = db.one(SQL.holds, {"token": str(lease.token)})
    return bool(row and row["holds"])


def record_progress(db: Database, lease: Lease, progress: Progress) -> None:
    """Store how far a chunk is; does nothing if it has another owner by now."""
    params = {"answered": progress.answered, "failed": progress.failed}
    db.execute(SQL.record_progress, {"token": str(lease.token), **params})


def release(
    db: Database,
    lease: Lease,
    *,
    unfinished: bool,
    progress: Progress | None = None,
    stopped: StopReason | None = None,
    report: ChunkReport | None = None,
) -> bool:
    """Give up a chunk, done or `unfinished`; True if it now waits for another owner."""
    report = report or ChunkReport()
    params = {
        "token": str(lease.token),
        "unfinished": unfinished,
        "stopped": stopped,
        "answered": progress and progress.answered,
        "failed": progress and progress.failed,
        "blocked_users": sorted(report.blocked_users),
        "locked_users": sorted(report.locked_users),
        "unsettled": report.unsettled,
        "snapshotted": sorted(report.snapshotted),
        "row_errors": Json(records(report.row_errors)),
    }
    row = db.one(SQL.release, params)
    return row is not None and row["state"] == "waiting"


def open_chunks(db: Database, run_id: int) -> list[OpenChunk]:
    """A run's chunks that are not done."""
    rows = db.all(SQL.open_chunks, {"run_id": run_id, **LOCK_PARAMS})
    return [OpenChunk(row["id"], row["state"] == "waiting", row["held"]) for row in rows]


def run_progress(db: Database, run_id: int) -> Progress:
    row = db.one(SQL.progress, {"run_id": run_id})
    assert row is not None
    return Progress(row["answered"], row["failed"])


def cancel(db: Database, run_id: int, reason: StopReason) -> None:
    """Close the chunks that wait, and have the owners of the others stop."""
    db.execute(SQL.cancel, {"run_id": run_id, "reason": reason})


def totals(db: Database, run_id: int, day: date, project_ids: Sequence[int]) -> ChunkTotals:
    answers, sums = db.one(SQL.answers, {"run_id": run_id, "day": day}), db.one(SQL.totals, {"run_id": run_id})
    assert answers is not None
    assert sums is not None
    failures = db.all(SQL.failures, {"run_id": run_id, "projects": list(project_ids), "day": day})
    errors = db.all(SQL.row_errors, {"run_id": run_id})
    return ChunkTotals(
        answered=answers["answered"],
        reasons={row["reason"]: row["tasks"] for row in failures},
        blocked_users=frozenset(sums["blocked_users"]),
        locked_users=frozenset(sums["locked_users"]),
        unsettled=sums["unsettled"],
        snapshotted=frozenset(sums["snapshotted"]),
        row_errors=[read_record(record) for row in errors for record in row["row_errors"]],
        stopped=None if sums["stopped"] is None else StopReason(sums["stopped"]),
    )


def owners_of_ended_runs(db: Database) -> list[str]:
    """The workers that still hold a chunk of a run that is over."""
    return list(dict.fromkeys(row["worker"] or "?" for row in db.all(SQL.owners_of_ended_runs, LOCK_PARAMS)))


def close_ended(db: Database) -> None:
    """Close the chunks that ended runs left open. Needs the run lock; no worker may hold them."""
    db.execute(SQL.close_ended)
