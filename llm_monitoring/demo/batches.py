"""The types of a batch with a simulated provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from llm_monitoring.demo.exchange import HttpRequest, Json

Ending = Literal["completed", "expired", "cancelled", "failed"]
Fate = Literal["succeeded", "errored", "expired", "cancelled"]


@dataclass(frozen=True, slots=True)
class Item:
    """One request of a batch; `body` is that of a single call."""

    custom_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one request: an answer's body, an error's status and body, or nothing."""

    custom_id: str
    fate: Fate
    status: int = 200
    body: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Submission:
    """A creation as it was read: its requests, or the file that holds them, and what the batch repeats of it."""

    items: tuple[Item, ...] = ()
    input_file: str | None = None
    echo: Json = field(default_factory=dict)


@dataclass(slots=True)
class Batch:
    """One batch. `key` is a fingerprint, `headers` those of its creation; `outputs` are files of results by kind."""

    id: str
    provider: str
    key: str
    headers: Mapping[str, str]
    submission: Submission
    created: float
    items: tuple[Item, ...] = ()
    polls: int = 0
    cancelling: bool = False
    ended: Ending | None = None
    error: tuple[str, str] | None = None
    results: tuple[ItemResult, ...] = ()
    outputs: dict[str, str] = field(default_factory=dict)

    def count(self, *fates: Fate) -> int:
        return sum(result.fate in fates for result in self.results)


class BatchWire(Protocol):
    """One provider's wire protocol for batches."""

    tier: str  # which an answer of a batch names

    def route(self, request: HttpRequest) -> tuple[str, str] | None:
        """Return the route and the id in the path, or None if the path is none of a batch."""
        ...

    def read(self, request: HttpRequest) -> Submission:
        """Read a creation; raises Rejection."""
        ...

    def read_file(self, content: bytes) -> tuple[Item, ...]:
        """Read an uploaded file; raises Rejection."""
        ...

    def describe(self, batch: Batch) -> Json: ...

    def page(self, batches: Sequence[Batch], query: Mapping[str, str]) -> Json:
        """Return a page of all batches, which are given newest first."""
        ...

    def line(self, result: ItemResult) -> tuple[str, Json]:
        """Return the kind of file that a result belongs to, and its line."""
        ...


def page_after(batches: Sequence[Batch], after: str, limit: int) -> tuple[Sequence[Batch], bool]:
    """Return the batches after one on a list, and whether there are more."""
    ids = [batch.id for batch in batches]
    start = ids.index(after) + 1 if after in ids else 0
    return batches[start : start + limit], start + limit < len(batches)
