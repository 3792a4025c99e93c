"""The types of the batch calls: many questions in one request, their answers up to a day later, at half the price."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from llm_monitoring.domain import ProviderName
from llm_monitoring.providers.base import ProviderError, Question, Reply

# What became of a batch. `ending`: it is being cancelled or its results are being written. `failed`: the whole batch
# was refused and no request ran. A status that this version does not know is `running`.
BatchState = Literal["running", "ending", "ended", "failed"]
# What a line says of its request. `not_billed`: it did not run, or failed without a charge. `refused`: it was answered
# with an error status that is not charged. `failed`: it is perhaps charged, or the line cannot be read.
LineOutcome = Literal["replied", "not_billed", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """One question of a batch. `custom_id`: the id of its attempt, which its line of the results repeats."""

    custom_id: str
    question: Question


@dataclass(frozen=True, slots=True)
class RemoteBatch:
    """A batch as its provider describes it.

    `status`: the provider's own word. `requests`: how many it counts, 0 if it has not counted them. `answered`: how
    many of them it counts as answered, and so as charged, None if it counts nothing; final once the batch has ended.
    `batch_id`: our own id, if the provider returns it. `outputs`: what to download; `input_file`: what was uploaded.
    """

    remote_id: str
    state: BatchState
    status: str
    requests: int
    created_at: datetime | None
    expires_at: datetime | None
    batch_id: UUID | None
    outputs: tuple[str, ...]
    input_file: str | None
    error_code: str | None = None
    error_message: str | None = None
    answered: int | None = None


@dataclass(frozen=True, slots=True)
class BatchLine:
    """One line of the results.

    `raw`: the line as it came, which is the receipt. `reply`: the provider's reply to this request alone. `error`: why
    there is none. `custom_id` is "" if the line names none, and may be any text.
    """

    custom_id: str
    outcome: LineOutcome
    raw: bytes
    reply: Reply | None
    error: ProviderError | None


class BatchMissing(ProviderError):
    """The provider has no such batch, or not yet: a new one may be missing for minutes."""

    kind = "batch_missing"


class BatchClient(Protocol):
    """The batch calls of one provider with one key. Every method raises ProviderError; no request is repeated."""

    name: ProviderName

    def upload(self, batch_id: UUID, requests: Sequence[BatchRequest]) -> str | None:
        """Store the requests at the provider, free of charge, and return the file's id.

        None: this provider takes the requests when the batch is created.
        """
        ...

    def create(self, batch_id: UUID, requests: Sequence[BatchRequest], input_file: str | None) -> RemoteBatch:
        """Create the batch by one request. An error with `billed` "no": there is none; otherwise there may be one."""
        ...

    def get(self, remote_id: str) -> RemoteBatch:
        """Return the batch; raises BatchMissing if the provider does not know it."""
        ...

    def find(self, batch_id: UUID, requests: int, posted_at: datetime, known: Collection[str]) -> Iterator[RemoteBatch]:
        """Yield the batches that may be ours, from all pages of the provider's list, without those in `known`.

        One with our `batch_id` is ours for certain; one without any is to be judged by its results.
        """
        ...

    def lines(self, batch: RemoteBatch) -> Iterator[BatchLine]:
        """Download all results and yield each line once; several lines of one request are merged.

        The iteration ends without an error only after a complete download. A cut one yields what was received
        whole, except for requests that were not charged, and then raises.
        """
        ...

    def cancel(self, remote_id: str) -> RemoteBatch:
        """Ask the provider to end the batch; what has run by then is in its results, and is charged."""
        ...

    def forget(self, batch: RemoteBatch) -> None:
        """Delete what the provider still stores of the batch."""
        ...

    def close(self) -> None: ...


def missing_outcome(batch: RemoteBatch, replied: int) -> LineOutcome:
    """Return the outcome of a request that has no line in the complete results of a batch.

    `replied`: how many lines had that outcome. As long as they are fewer than the answers that the provider counts,
    which are what it charges, a missing one may be among those.
    """
    return "failed" if batch.answered is None or replied < batch.answered else "not_billed"
