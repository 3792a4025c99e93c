"""Finds a batch in doubt: its request was sent, and it is not known whether the provider made it.

A provider that returns our own id is certain at once. Another one is judged by the results of the batches that may be
ours, once they have ended. That a batch is absent is only certain after a while, as lists show new batches late; and
before the second look its input file is deleted, so that a batch that is made after all cannot run.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta
from itertools import islice
from typing import Final

from llm_monitoring import failpoints
from llm_monitoring.providers import ProviderError
from llm_monitoring.providers.batches import BatchClient, RemoteBatch
from llm_monitoring.runs.batches import records
from llm_monitoring.runs.batches.records import Batch
from llm_monitoring.runs.executor import TaskExecutor

log = logging.getLogger(__name__)

QUIET: Final = timedelta(minutes=15)  # in which a provider may not list a new batch


def find_remote(executor: TaskExecutor, client: BatchClient, batch: Batch) -> tuple[RemoteBatch | None, bool]:
    """The provider's batch, stored as running; without one, whether it is certain that there is none."""
    assert batch.posted_at is not None
    db, doubtful = executor.budget.db, False
    known = records.known_remotes(db, batch.group.key.provider)
    for candidate in client.find(batch.id, batch.requests, batch.posted_at, known):
        ours = is_ours(executor, client, batch, candidate)
        if ours:
            records.mark_running(db, batch, candidate)
            failpoints.reach("batch_running")
            log.info(
                "🔎 %s encontrado en el proveedor: %s",
                batch.label,
                candidate.remote_id,
                extra={"event": "batch.found", "batch_id": str(batch.id)},
            )
            return candidate, False
        doubtful = doubtful or ours is None
    records.mark_looked(db, batch)
    return None, not doubtful and is_absent(executor, client, batch)


def is_ours(executor: TaskExecutor, client: BatchClient, batch: Batch, candidate: RemoteBatch) -> bool | None:
    """Whether a batch of the provider is this one; None if that shows only when it has ended."""
    if candidate.batch_id is not None:
        return candidate.batch_id == batch.id
    if candidate.state != "ended":
        return None
    calls = records.call_ids(executor.budget.db, batch)
    first = next(islice(client.lines(client.get(candidate.remote_id)), 1), None)
    return None if first is None or not first.custom_id else first.custom_id in calls


def is_absent(executor: TaskExecutor, client: BatchClient, batch: Batch) -> bool:
    """Whether two looks, each a while after what came before it, have found nothing."""
    assert batch.posted_at is not None
    now = executor.budget.database_clock()
    if batch.absent_at is not None:
        return now - batch.absent_at >= QUIET
    if now - batch.posted_at >= QUIET:
        if batch.input_file is not None:
            with suppress(ProviderError):
                client.forget(batch.remote)
        records.mark_absent(executor.budget.db, batch)
    return False
