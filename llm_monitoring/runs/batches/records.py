"""The records of batches: how far each is, so that a start can go on from any step.

A batch is `preparing` while its calls are reserved, `posting` from right before the one request that creates it,
`running` once the provider's id is stored, `ended` when the provider works on it no more, `collected` when each of its
calls is closed, and `forgotten` when the provider has deleted it.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

from llm_monitoring.db import Database, Row, Transaction, load
from llm_monitoring.domain import KeyId, Pace, ProviderName, Secret, provider_name
from llm_monitoring.ledger import new_id
from llm_monitoring.providers.batches import RemoteBatch

SQL = load("batches")
log = logging.getLogger(__name__)

LONGEST_DETAIL: Final = 500

State = Literal["preparing", "posting", "running", "ended", "collected", "forgotten"]
# withdrawn: not posted. refused: the provider refused it. absent: it was not made. lost: it cannot be found. failed: it
# brought no answer. expired, cancelled: some of its calls were not made in time, or before it was cancelled.
Outcome = Literal["withdrawn", "refused", "absent", "lost", "completed", "expired", "cancelled", "failed"]


# not_known: the provider has no such batch. key_unusable: the key is gone, or cannot be read. not_ended: it should have
# ended long ago. in_doubt: it is not known whether it was made.
TroubleCode = Literal["not_known", "provider_error", "key_unusable", "not_ended", "in_doubt"]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a batch cannot be collected. `detail`: the provider's words; `other_key`: it was made with another key."""

    code: TroubleCode
    detail: str = ""
    other_key: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Calls that may share a batch: of one key and one model, alike in web search and pace."""

    key: KeyId
    model_id: str
    web_search: bool
    pace: Pace


@dataclass(frozen=True, slots=True)
class Batch:
    """One row of `llm_batches`; `key_hash`: of the key that it was made with."""

    id: uuid.UUID
    group: Group
    key_hash: str
    run_id: int | None
    requests: int
    state: State
    input_file: str | None = None
    remote_id: str | None = None
    posted_at: datetime | None = None
    expires_at: datetime | None = None
    absent_at: datetime | None = None
    cancelled_at: datetime | None = None

    @property
    def label(self) -> str:
        """Its name in log lines and row errors."""
        return f"Lote {self.id} ({self.group.key.provider})"

    @property
    def remote(self) -> RemoteBatch:
        """What the provider may still store of it, as its client needs it."""
        return RemoteBatch(self.remote_id or "", "ended", "", self.requests, None, None, self.id, (), self.input_file)


@dataclass(frozen=True, slots=True)
class Experience:
    """What earlier batches of a group came to.

    `proven`: one brought an answer. `tried`: a trial of one call was made today. `failures`: in the last seven days.
    """

    proven: bool
    tried: bool
    failures: int


@dataclass(frozen=True, slots=True)
class StillOut:
    """Answers of a project that are out in batches at one provider, and when the last of them is due."""

    user_id: int
    project_id: int | None
    provider: ProviderName
    answers: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Due:
    """How many answers are out, and when the last of them is due."""

    answers: int
    due_at: datetime


def due(out: Iterable[StillOut]) -> Due | None:
    """What is out in all; None if nothing is."""
    every = list(out)
    return Due(sum(each.answers for each in every), max(each.due_at for each in every)) if every else None


def hash_of(key: Secret) -> str:
    """A digest by which a key is recognised."""
    return hashlib.sha256(key.reveal().encode()).hexdigest()[:16]


def open_batch(db: Database, group: Group, key_hash: str, run_id: int | None) -> Batch:
    """Open a batch before its first call is reserved."""
    batch = Batch(new_id(), group, key_hash, run_id, 0, "preparing")
    db.execute(
        SQL.open_batch,
        {
            "id": str(batch.id),
            **group_key(group),
            "pace": group.pace,
            "key_hash": key_hash,
            "run_id": run_id,
        },
    )
    return batch


def group_key(group: Group) -> dict[str, object]:
    return {
        "provider": group.key.provider,
        "model_id": group.model_id,
        "key_user_id": group.key.user_id,
        "web_search": group.web_search,
    }


def uncollected(db: Database) -> list[Batch]:
    """The batches with calls that are still to be closed, oldest first."""
    return [read_batch(row) for row in db.all(SQL.uncollected)]


def bring_back(db: Database) -> None:
    """Set back and log the times of batches that were posted in the future: they would be out for ever."""
    for row in db.all(SQL.bring_back):
        fields = {"event": "batch.time_corrected", "batch_id": str(row["id"])}
        text = "🕰️ Lote %s (%s): su hora de envío estaba en el futuro y pasa a ser %s"
        log.warning(text, row["id"], row["provider"], f"{row['posted_at']:%Y-%m-%d %H:%M}", extra=fields)


def unforgotten(db: Database) -> list[Batch]:
    """Collected batches of the last days that the provider still stores."""
    return [read_batch(row) for row in db.all(SQL.unforgotten)]


def read_group(row: Row) -> Group:
    key = KeyId(provider_name(row["llm_provider"]), row["key_user_id"])
    return Group(key, row["model_id"], row["web_search"], row["pace"])


def read_batch(row: Row) -> Batch:
    return Batch(
        uuid.UUID(str(row["id"])),
        read_group(row),
        row["key_hash"],
        row["run_id"],
        row["requests"],
        row["state"],
        row["input_file"],
        row["remote_id"],
        row["posted_at"],
        row["expires_at"],
        row["absent_at"],
        row["cancelled_at"],
    )


def known_remotes(db: Database, provider: ProviderName) -> set[str]:
    """The provider's ids of its batches of the last days."""
    return {row["remote_id"] for row in db.all(SQL.known_remotes, {"provider": provider})}


def open_calls(db: Database, batch: Batch) -> list[Row]:
    """The open calls of a batch, with prompts, as `recovery.read_attempt` reads them."""
    return db.all(SQL.open_calls, {"batch_id": str(batch.id)})


def call_ids(db: Database, batch: Batch) -> set[str]:
    """The ids of the calls that a batch was posted with."""
    return {str(row["id"]) for row in db.all(SQL.call_ids, {"batch_id": str(batch.id)})}


def keep_input_file(db: Database, batch: Batch, input_file: str) -> None:
    db.execute(SQL.keep_input_file, {"id": str(batch.id), "input_file": input_file})


def mark_posting(db: Database, batch: Batch, rates: Mapping[uuid.UUID, str]) -> tuple[set[uuid.UUID], datetime | None]:
    """Mark the batch as posted now, and those of its calls as sent that are still wanted, in one transaction.

    `rates`: of each call, as JSON. Returns the calls that may be asked, and the time; without any, nothing changes.
    """
    params = {
        "batch_id": str(batch.id),
        "token": str(uuid.uuid4()),
        "ids": [str(each) for each in rates],
        "rates": list(rates.values()),
    }

    def mark(tx: Transaction) -> tuple[set[uuid.UUID], datetime | None]:
        marked = tx.all(SQL.mark_calls_sent, params)
        sent = {uuid.UUID(str(row["id"])) for row in marked if row["state"] == "sent"}
        row = tx.one(SQL.mark_posting, {"id": str(batch.id), "requests": len(sent)}) if sent else None
        return sent, row["posted_at"] if row else None

    return db.transact(mark)


def mark_running(db: Database, batch: Batch, remote: RemoteBatch) -> None:
    """Store the provider's id of a batch that was posted."""
    params = {
        "id": str(batch.id),
        "remote_id": remote.remote_id,
        "created_at": remote.created_at,
        "expires_at": remote.expires_at,
        "input_file": remote.input_file,
    }
    db.execute(SQL.mark_running, params)


def mark_looked(db: Database, batch: Batch, trouble: Trouble | None = None) -> None:
    """Store that the provider was asked about a batch, and what was in the way."""
    found = {"trouble": trouble and trouble.code, "error": trouble and trouble.detail[:LONGEST_DETAIL]}
    other_key = trouble is not None and trouble.other_key
    db.execute(SQL.mark_looked, {"id": str(batch.id), **found, "other_key": other_key})


def mark_absent(db: Database, batch: Batch) -> None:
    db.execute(SQL.mark_absent, {"id": str(batch.id)})


def mark_cancelled(db: Database, batch: Batch) -> None:
    db.execute(SQL.mark_cancelled, {"id": str(batch.id)})


def mark_ended(db: Database, batch: Batch) -> None:
    db.execute(SQL.mark_ended, {"id": str(batch.id)})


def mark_collected(db: Database, batch: Batch, outcome: Outcome, error: str | None = None) -> bool:
    """Close a batch; False if one of its calls is still open."""
    return db.execute(SQL.mark_collected, {"id": str(batch.id), "outcome": outcome, "error": error}) == 1


def mark_forgotten(db: Database, batch: Batch) -> None:
    db.execute(SQL.mark_forgotten, {"id": str(batch.id)})


def counts(db: Database, batch: Batch) -> tuple[int, int]:
    """How many calls of a batch were charged, and how many were not."""
    row = db.one(SQL.counts, {"id": str(batch.id)})
    assert row is not None
    return row["charged"], row["void"]


def experience(db: Database, group: Group) -> Experience:
    row = db.one(SQL.experience, group_key(group))
    assert row is not None
    return Experience(**row)


def held(db: Database, run_id: int) -> set[Group]:
    """The groups of which a batch of this run is out."""
    return {read_group(row) for row in db.all(SQL.held, {"run_id": run_id})}


def refused_for_budget(db: Database, run_id: int) -> set[tuple[ProviderName, int]]:
    """The providers and projects of which a run left tasks for want of budget."""
    rows = db.all(SQL.refused_for_budget, {"run_id": run_id})
    return {(provider_name(row["llm_provider"]), row["project_id"]) for row in rows}


def add_to_runs(db: Database, run_ids: Sequence[int]) -> None:
    """Bring the totals of closed runs up to date with answers that came after them."""
    db.execute(SQL.add_to_run, {"run_ids": sorted(run_ids)})


def late_days(db: Database, day: date) -> set[tuple[int, date]]:
    """Projects and other days of the last week with answers of a batch that are not scored yet."""
    return {(row["project_id"], row["day"]) for row in db.all(SQL.late_days, {"day": day})}


def still_out(db: Database, user_id: int | None = None) -> list[StillOut]:
    """The answers that are out, of one user or of all, by user, project and provider."""
    rows = db.all(SQL.still_out, {"user_id": user_id})
    return [StillOut(**(row | {"provider": provider_name(row["provider"])})) for row in rows]


@dataclass(frozen=True, slots=True)
class Overdue:
    """A batch that should have come by now, and what was in the way when it was last looked at."""

    provider: ProviderName
    posted_at: datetime
    trouble: Trouble


def overdue(db: Database) -> list[Overdue]:
    """The batches that should have come by now, oldest first."""
    return [
        Overdue(
            provider_name(row["llm_provider"]),
            row["posted_at"],
            Trouble(row["trouble"] or "not_ended", row["error"] or "", row["other_key"]),
        )
        for row in db.all(SQL.overdue)
    ]


def failed_trials(db: Database) -> list[Group]:
    """The groups of which a trial of today brought no answer."""
    return [read_group(row | {"pace": "punctual"}) for row in db.all(SQL.failed_trials)]


def failing_keys(db: Database, most: int) -> dict[KeyId, int]:
    """The keys of which so many batches of a week brought no answer, or not all, and their number."""
    rows = db.all(SQL.failing_keys, {"most": most})
    return {KeyId(provider_name(row["llm_provider"]), row["key_user_id"]): row["failures"] for row in rows}
