"""The chunks of a run that is spread over several machines: who has which, and how far each is."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from llm_monitoring.db.database import Database, Json, Transaction
from llm_monitoring.db.locks import SessionLock
from llm_monitoring.db.queries import load
from llm_monitoring.db.row_errors import RowError, read_record, records
from llm_monitoring.domain import Lease
from llm_monitoring.runs.reasons import StopReason

SQL = load("chunks")

LOCK_CLASS: Final = 0x4C4C4D43  # "LLMC", the upper half of every chunk's lock
BY_LOCK: Final[dict[str, Any]] = {"class": LOCK_CLASS}


class ChunkLock(SessionLock):
    """What a chunk's owner holds as long as it lives."""

    def __init__(self, db: Database, chunk_id: int) -> None:
        super().__init__(db, LOCK_CLASS << 32 | chunk_id)


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """A part of a day: whole projects, and how many tasks of theirs are open."""

    project_ids: tuple[int, ...]
    tasks: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk in its owner's hands. `answered` and `failed` are what earlier owners did of it."""

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
class Count:
    """How far a chunk or a run is, in tasks."""

    answered: int
    failed: int


def add(
    db: Database, run_id: int, portions: Sequence[ChunkPlan], seconds: float, terms: Mapping[str, str]
) -> list[int]:
    """Store a run's chunks, which may be worked on for `seconds`, and the settings that they are asked with."""

    def insert(tx: Transaction) -> list[int]:
        tx.execute(SQL.keep_terms, {"run_id": run_id, "terms": Json(dict(terms))})
        return [insert_one(tx, portion) for portion in portions]

    def insert_one(tx: Transaction, portion: ChunkPlan) -> int:
        params = {"projects": list(portion.project_ids), "tasks": portion.tasks, "seconds": seconds}
        row = tx.one(SQL.add, {"run_id": run_id, **params})
        assert row is not None
        return int(row["id"])

    return db.transact(insert)


def terms(db: Database, chunk_id: int) -> Mapping[str, str] | None:
    """The settings that a chunk is asked with; None where it cannot be taken."""
    row = db.one(SQL.terms, {"chunk_id": chunk_id})
    return None if row is None else dict(row["terms"])


def take(db: Database, chunk_id: int, worker: str) -> Chunk | None:
    """Become a chunk's owner; None where it is done, another's, or its run is over. Needs its lock."""
    lease = Lease(chunk_id, uuid.uuid4())
    row = db.one(SQL.take, {"chunk_id": chunk_id, "token": str(lease.token), "worker": worker})
    if row is None:
        return None
    return Chunk(
        lease, row["run_id"], row["day"], row["project_ids"], row["seconds_left"], row["answered"], row["failed"]
    )


@dataclass(frozen=True, slots=True)
class Loss:
    """A chunk whose owner died: how often that happened to it, and who it was this time."""

    lease: Lease
    losses: int
    worker: str


def take_over(db: Database, chunk_id: int) -> Loss | None:
    """Take a chunk from an owner that died, which from now on admits no call; None where nobody had it.

    Needs the chunk's lock.
    """
    lease = Lease(chunk_id, uuid.uuid4())
    row = db.one(SQL.take_over, {"chunk_id": chunk_id, "token": str(lease.token)})
    return None if row is None else Loss(lease, row["losses"], row["worker"])


def is_ours(db: Database, lease: Lease) -> bool:
    """Whether the lease holds and its run wants to go on."""
    row = db.one(SQL.is_ours, {"token": str(lease.token)})
    return bool(row and row["ours"])


def record_progress(db: Database, lease: Lease, count: Count) -> None:
    """Say how far a chunk is; nothing where it is another's by now."""
    db.execute(SQL.note, {"token": str(lease.token), "answered": count.answered, "failed": count.failed})


@dataclass(frozen=True, slots=True)
class Account:
    """What an owner of a chunk has to say of it: users that could not be served, rows left alone, figures written."""

    blocked_users: Collection[int] = ()
    locked_users: Collection[int] = ()
    unsettled: int = 0
    snapshotted: Collection[int] = ()
    row_errors: Sequence[RowError] = ()


def release(
    db: Database,
    lease: Lease,
    *,
    unfinished: bool,
    count: Count | None = None,
    stopped: StopReason | None = None,
    account: Account | None = None,
) -> bool:
    """Give up a chunk, done or `unfinished`; True if it now waits for another owner."""
    account = account or Account()
    row = db.one(
        SQL.let_go,
        {
            "token": str(lease.token), "unfinished": unfinished, "stopped": stopped,
            "answered": count and count.answered, "failed": count and count.failed,
            "blocked_users": sorted(account.blocked_users), "locked_users": sorted(account.locked_users),
            "unsettled": account.unsettled, "figured": sorted(account.snapshotted),
            "row_errors": Json(records(account.row_errors)),
        },
    )  # fmt: skip
    return row is not None and row["state"] == "waiting"


def open_of(db: Database, run_id: int) -> list[OpenChunk]:
    """A run's chunks that are not done."""
    rows = db.all(SQL.open_chunks, {"run_id": run_id, **BY_LOCK})
    return [OpenChunk(row["id"], row["state"] == "waiting", row["held"]) for row in rows]


def progress(db: Database, run_id: int) -> Count:
    row = db.one(SQL.progress, {"run_id": run_id})
    assert row is not None
    return Count(row["answered"], row["failed"])


def cancel(db: Database, run_id: int, why: str) -> None:
    """Close the chunks that wait, and tell the owners of the others to stop."""
    db.execute(SQL.call_back, {"run_id": run_id, "why": why})


@dataclass(frozen=True, slots=True)
class ChunkTotals:
    """What all chunks of a run came to, counted in the results and failures themselves.

    `snapshotted`: the projects that already have their snapshots of the day.
    """

    answered: int
    reasons: Mapping[str, int]
    blocked_users: frozenset[int]
    locked_users: frozenset[int]
    unsettled: int
    snapshotted: frozenset[int]
    row_errors: Sequence[RowError]
    stopped: StopReason | None


def ending(db: Database, run_id: int, day: date, project_ids: Sequence[int]) -> ChunkTotals:
    answers, ends = db.one(SQL.answers, {"run_id": run_id, "day": day}), db.one(SQL.endings, {"run_id": run_id})
    assert answers is not None
    assert ends is not None
    failures = db.all(SQL.failures, {"run_id": run_id, "projects": list(project_ids), "day": day})
    reasons = {row["reason"]: row["tasks"] for row in failures}
    kept = [read_record(record) for row in db.all(SQL.row_errors, {"run_id": run_id}) for record in row["row_errors"]]
    return ChunkTotals(
        answers["answered"],
        reasons,
        frozenset(ends["blocked_users"]),
        frozenset(ends["locked_users"]),
        ends["unsettled"],
        frozenset(ends["figured"]),
        kept,
        ends["stopped"],
    )


def owners_of_ended_runs(db: Database) -> list[str]:
    """Who still holds a chunk of a run that is over."""
    return list(dict.fromkeys(row["worker"] or "?" for row in db.all(SQL.owners_of_ended_runs, BY_LOCK)))


def close_ended(db: Database) -> None:
    """Close the chunks that ended runs left open. Needs the run lock, and that nobody holds them."""
    db.execute(SQL.close_ended)
