"""Anthropic's Message Batches: the requests go inline, and only the results say which batch they belong to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from threading import Event
from typing import Final
from uuid import UUID

from llm_monitoring.domain import ProviderName, Secret
from llm_monitoring.providers import http_errors
from llm_monitoring.providers.anthropic import API_VERSION, BASE_URL, NAME, request
from llm_monitoring.providers.base import ProviderError, ProviderUnavailable, require_mode
from llm_monitoring.providers.batch_http import LONG_BEFORE, BatchHttp, bounded, encoded, part_of_path, since
from llm_monitoring.providers.batch_lines import JsonObject, UnreadableLine, read_object, replied, unreadable
from llm_monitoring.providers.batches import BatchLine, BatchRequest, BatchState, RemoteBatch
from llm_monitoring.providers.model_lists import instant
from llm_monitoring.providers.parsing import MOST_TOKENS, document, mapping, text
from llm_monitoring.providers.transport import HttpTransport

PATH: Final = "/v1/messages/batches"
PAGE_SIZE: Final = "1000"
MOST_REQUESTS: Final = 100_000
MOST_BYTES: Final = 256_000_000
CLOCK_SKEW: Final = timedelta(minutes=10)
STATES: Final[dict[str, BatchState]] = {"in_progress": "running", "canceling": "ending", "ended": "ended"}
COUNTS: Final = ("processing", "succeeded", "errored", "canceled", "expired")
FREE: Final = ("errored", "expired", "canceled")
# The status with which a call is answered that fails so.
STATUSES: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class AnthropicBatches:
    """Message Batches with one key."""

    name: ProviderName = NAME

    def __init__(
        self,
        key: Secret,
        *,
        base_url: str | None,
        timeout_seconds: float,
        total_seconds: float | None,
        stop: Event | None,
    ) -> None:
        transport = HttpTransport(
            NAME,
            key,
            base_url=base_url or BASE_URL,
            headers={"authorization": f"Bearer {key.reveal()}", "anthropic-version": API_VERSION},
            timeout_seconds=timeout_seconds,
            total_seconds=total_seconds,
            stop=stop,
        )
        self.http = BatchHttp(NAME, transport, base_url or BASE_URL)

    def upload(self, batch_id: UUID, requests: Sequence[BatchRequest]) -> str | None:
        return None

    def create(self, batch_id: UUID, requests: Sequence[BatchRequest], input_file: str | None) -> RemoteBatch:
        body = encoded({"requests": [request_of(each) for each in requests]})
        bounded(NAME, body, len(requests), most_bytes=MOST_BYTES, most_requests=MOST_REQUESTS)
        return self.remote(self.http.post(PATH, body))

    def get(self, remote_id: str) -> RemoteBatch:
        return self.remote(document(NAME, self.http.find("GET", path_of(remote_id))))

    def find(self, batch_id: UUID, requests: int, posted_at: datetime, known: Collection[str]) -> Iterator[RemoteBatch]:
        """Yield the batches with as many requests that were created after `posted_at`; none says whether it is ours."""
        for page in self.http.pages(PATH, {"limit": PAGE_SIZE}, "after_id"):
            batches = [self.remote(entry) for entry in page]
            for batch in batches:
                fits = batch.requests in (0, requests) and batch.remote_id not in known
                if fits and since(batch, posted_at - CLOCK_SKEW):
                    yield batch
            if batches and not any(since(batch, posted_at - LONG_BEFORE) for batch in batches):
                return

    def lines(self, batch: RemoteBatch) -> Iterator[BatchLine]:
        return self.http.lines([f"{path_of(each)}/results" for each in batch.outputs], read_line)

    def cancel(self, remote_id: str) -> RemoteBatch:
        return self.remote(document(NAME, self.http.find("POST", f"{path_of(remote_id)}/cancel")))

    def forget(self, batch: RemoteBatch) -> None:
        self.http.find("DELETE", path_of(batch.remote_id))

    def close(self) -> None:
        self.http.close()

    def remote(self, body: dict[str, object]) -> RemoteBatch:
        """Return a batch as it is described; the address of its results is made of its id, not taken from the reply."""
        remote_id, status = self.http.identifier(body.get("id"), "batch"), text(body.get("processing_status"))
        counts = counts_in(body)
        state = STATES.get(status, "running")
        return RemoteBatch(
            remote_id=remote_id,
            state=state,
            status=status,
            requests=sum(counts.values()),
            created_at=instant(body.get("created_at")),
            expires_at=instant(body.get("expires_at")),
            batch_id=None,
            outputs=(remote_id,) if state == "ended" else (),
            input_file=None,
            answered=counts["succeeded"] if any(counts.values()) else None,
        )


def request_of(each: BatchRequest) -> dict[str, object]:
    require_mode(NAME, each.question, "batch")
    return {"custom_id": each.custom_id, "params": request(each.question)}


def path_of(remote_id: str) -> str:
    return f"{PATH}/{part_of_path(remote_id)}"


def counts_in(body: dict[str, object]) -> dict[str, int]:
    counts = mapping(body.get("request_counts"))
    found = {name: counts.get(name) for name in COUNTS}
    return {name: n if type(n) is int and 0 <= n <= MOST_TOKENS else 0 for name, n in found.items()}


def read_line(raw: bytes) -> BatchLine:
    """Read one line of the results; one that cannot be read is perhaps charged.

    A message is an answer, and charged, whatever the type of its result says.
    """
    try:
        line = read_object(raw)
        result = line.inner("result")
        if result and result.inner("message"):
            return replied(line.text("custom_id"), raw, result.raw("message"))
        if result and (kind := result.text("type")) in FREE:
            return not_billed(line.text("custom_id"), kind, raw, result)
    except UnreadableLine:
        pass
    return unreadable(NAME, raw, "a line of the results cannot be read")


def not_billed(custom_id: str, kind: str, raw: bytes, result: JsonObject) -> BatchLine:
    """Return the outcome of a request without an answer; Anthropic documents that none of these is charged."""
    error: ProviderError = ProviderUnavailable(f"{NAME}: the batch ended before this request ran ({kind})", billed="no")
    failure = result.inner("error") if kind == "errored" else None
    detail = failure and failure.inner("error")
    if failure and detail:
        status = STATUSES.get(detail.text("type"), 500)
        said = http_errors.HttpReply(status, {}, failure.source.encode("utf-8", "surrogatepass"))
        error = http_errors.error_from(NAME, Secret(""), said)
        error.billed = "no"
    return BatchLine(custom_id, "not_billed", raw, None, error)
