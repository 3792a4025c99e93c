"""OpenAI's batches: the requests and the results are files, and the metadata of a batch holds our id."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from threading import Event
from typing import Final
from uuid import UUID

from llm_monitoring.domain import ProviderName, Secret
from llm_monitoring.providers import http_errors
from llm_monitoring.providers.base import BadRequest, ProviderError, ProviderUnavailable, require_mode
from llm_monitoring.providers.batch_http import LONG_BEFORE, BatchHttp, bounded, encoded, part_of_path, since
from llm_monitoring.providers.batch_lines import JsonObject, UnreadableLine, read_object, replied, unreadable
from llm_monitoring.providers.batches import BatchLine, BatchMissing, BatchRequest, BatchState, RemoteBatch
from llm_monitoring.providers.model_lists import instant
from llm_monitoring.providers.openai import BASE_URL, NAME, request
from llm_monitoring.providers.parsing import MOST_TOKENS, document, mapping, mappings, shown, text
from llm_monitoring.providers.transport import HttpTransport

ENDPOINT: Final = "/v1/responses"
PAGE_SIZE: Final = "100"
MOST_REQUESTS: Final = 50_000
MOST_BYTES: Final = 200_000_000
OUR_ID: Final = "llmm_batch"  # in the metadata
INPUT_SECONDS: Final = 2 * 24 * 3600  # how long the provider keeps the requests if we do not delete them
OUTPUT_SECONDS: Final = 30 * 24 * 3600
STATES: Final[dict[str, BatchState]] = {
    "validating": "running",
    "in_progress": "running",
    "finalizing": "ending",
    "cancelling": "ending",
    "completed": "ended",
    "expired": "ended",
    "cancelled": "ended",
    "failed": "failed",
}
NEVER_RUN: Final = ("batch_expired", "batch_cancelled")


class OpenAIBatches:
    """The Batch API with one key."""

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
            headers={"authorization": f"Bearer {key.reveal()}"},
            timeout_seconds=timeout_seconds,
            total_seconds=total_seconds,
            stop=stop,
        )
        self.http = BatchHttp(NAME, transport, base_url or BASE_URL)

    def upload(self, batch_id: UUID, requests: Sequence[BatchRequest]) -> str | None:
        content = b"".join(line_of(each) for each in requests)
        bounded(NAME, content, len(requests), most_bytes=MOST_BYTES, most_requests=MOST_REQUESTS)
        fields = {
            "purpose": "batch",
            "expires_after[anchor]": "created_at",
            "expires_after[seconds]": str(INPUT_SECONDS),
        }
        file = (f"{batch_id}.jsonl", content, "application/octet-stream")
        stored = self.http.call("POST", "/files", data=fields, files={"file": file})
        return self.http.identifier(stored.get("id"), "file")

    def create(self, batch_id: UUID, requests: Sequence[BatchRequest], input_file: str | None) -> RemoteBatch:
        if input_file is None:
            raise BadRequest(f"{NAME}: a batch needs the file of its requests", billed="no")
        body = {
            "completion_window": "24h",
            "endpoint": ENDPOINT,
            "input_file_id": input_file,
            "metadata": {OUR_ID: str(batch_id)},
            "output_expires_after": {"anchor": "created_at", "seconds": OUTPUT_SECONDS},
        }
        return self.remote(self.http.post("/batches", encoded(body)))

    def get(self, remote_id: str) -> RemoteBatch:
        return self.remote(document(NAME, self.http.find("GET", path_of(remote_id))))

    def find(self, batch_id: UUID, requests: int, posted_at: datetime, known: Collection[str]) -> Iterator[RemoteBatch]:
        """Yield the batches that carry our id; the order of the list is not documented, so whole pages are read."""
        for page in self.http.pages("/batches", {"limit": PAGE_SIZE}, "after"):
            batches = [self.remote(entry) for entry in page]
            yield from (each for each in batches if each.batch_id == batch_id and each.remote_id not in known)
            if batches and not any(since(batch, posted_at - LONG_BEFORE) for batch in batches):
                return

    def lines(self, batch: RemoteBatch) -> Iterator[BatchLine]:
        return self.http.lines([f"{file_path(each)}/content" for each in batch.outputs], read_line)

    def cancel(self, remote_id: str) -> RemoteBatch:
        return self.remote(document(NAME, self.http.find("POST", f"{path_of(remote_id)}/cancel")))

    def forget(self, batch: RemoteBatch) -> None:
        """Delete the files of a batch, each even if another cannot be deleted; raises the first error."""
        errors = list[ProviderError]()
        for file in (batch.input_file, *batch.outputs):
            try:
                if file:
                    self.http.find("DELETE", file_path(file))
            except BatchMissing:
                continue  # it is deleted already, or has expired
            except ProviderError as exc:
                errors.append(exc)
        if errors:
            raise errors[0]

    def close(self) -> None:
        self.http.close()

    def remote(self, body: dict[str, object]) -> RemoteBatch:
        status, counts = text(body.get("status")), mapping(body.get("request_counts"))
        outputs = [body.get(name) for name in ("output_file_id", "error_file_id")]
        files = tuple(self.http.identifier(file, "file") for file in outputs if file)
        total, completed = count_in(counts, "total"), count_in(counts, "completed")
        state = STATES.get(status, "running")
        error = next(iter(mappings(mapping(body.get("errors")).get("data"))), {})
        return RemoteBatch(
            remote_id=self.http.identifier(body.get("id"), "batch"),
            state="ended" if state == "failed" and (files or completed) else state,
            status=status,
            requests=total,
            created_at=instant(body.get("created_at")),
            expires_at=instant(body.get("expires_at")),
            batch_id=our_id(mapping(body.get("metadata")).get(OUR_ID)),
            outputs=files,
            input_file=text(body.get("input_file_id")) or None,
            error_code=text(error.get("code")) or None,
            error_message=shown(error.get("message")) if error.get("message") else None,
            answered=completed if total or state == "failed" else None,
        )


def line_of(each: BatchRequest) -> bytes:
    require_mode(NAME, each.question, "batch")
    body = request(each.question)
    return encoded({"custom_id": each.custom_id, "method": "POST", "url": ENDPOINT, "body": body}) + b"\n"


def path_of(remote_id: str) -> str:
    return f"/batches/{part_of_path(remote_id)}"


def file_path(file: str) -> str:
    return f"/files/{part_of_path(file)}"


def our_id(value: object) -> UUID | None:
    try:
        return UUID(text(value))
    except ValueError:
        return None


def count_in(counts: dict[str, object], name: str) -> int:
    count = counts.get(name)
    return count if type(count) is int and 0 <= count <= MOST_TOKENS else 0


def read_line(raw: bytes) -> BatchLine:
    """Read one line of the results; one that cannot be read is perhaps charged."""
    try:
        line = read_object(raw)
        response, error = line.inner("response"), line.inner("error")
        if response is not None:
            return answered(line.text("custom_id"), raw, response)
        if error is not None and error.text("code") in NEVER_RUN:
            why = f"{NAME}: the batch ended before this request ran ({error.text('code')})"
            return BatchLine(line.text("custom_id"), "not_billed", raw, None, ProviderUnavailable(why, billed="no"))
    except UnreadableLine:
        pass
    return unreadable(NAME, raw, "a line of the results cannot be read")


def answered(custom_id: str, raw: bytes, response: JsonObject) -> BatchLine:
    """Return the outcome of a request that ran; raises UnreadableLine if neither a reply nor an error is in it."""
    status, body = response.value("status_code"), response.raw("body")
    if type(status) is not int or not (200 <= status < 300 or 400 <= status < 600):
        raise UnreadableLine
    if status < 300:
        read_object(body)  # anything but an object is no reply
        return replied(custom_id, raw, body, response.text("request_id") or None)
    error = http_errors.error_from(NAME, Secret(""), http_errors.HttpReply(status, {}, body))
    return BatchLine(custom_id, "refused" if error.billed == "no" else "failed", raw, None, error)
