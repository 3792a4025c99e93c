"""The HTTP requests of the batch calls, one at a time on the product's transport; no SDK is needed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, Final, cast
from urllib.parse import quote

from llm_monitoring.domain import ProviderName
from llm_monitoring.providers import batch_lines, http_errors
from llm_monitoring.providers.base import BadRequest, BadResponse, ProviderError, Reply
from llm_monitoring.providers.batches import BatchLine, BatchMissing, RemoteBatch
from llm_monitoring.providers.model_lists import MOST_PAGES
from llm_monitoring.providers.parsing import document, mappings, text
from llm_monitoring.providers.transport import HttpTransport

JSON: Final = {"content-type": "application/json", "accept": "application/json"}
BINARY: Final = {"accept": "application/binary"}
IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_.:-]{1,200}")
LONG_BEFORE: Final = timedelta(hours=1)  # a whole page of older batches ends a search for one
MEMORY_BYTES: Final = 16 * 1024 * 1024  # of results; longer ones are in a file

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BatchHttp:
    """A provider's address with one key. `base_url` ends before the path of a call."""

    name: ProviderName
    transport: HttpTransport
    base_url: str

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, object]:
        return self.call("GET", path, params=query)

    def post(self, path: str, body: bytes = b"") -> dict[str, object]:
        return self.call("POST", path, content=body, headers=JSON)

    def call(self, method: str, path: str, **request: Any) -> dict[str, object]:
        """Make one request and return the object of its reply; raises ProviderError, BatchMissing for a 404."""
        return document(self.name, self.send(method, path, **request))

    def send(self, method: str, path: str, *, file: BinaryIO | None = None, **request: Any) -> Reply:
        url = self.base_url.rstrip("/") + path
        return self.transport.exchange(lambda: self.transport.http.request(method, url, **request), file=file)

    def find(self, method: str, path: str, **request: Any) -> Reply:
        """Make a request for a thing by its id; raises BatchMissing if the provider does not know it."""
        try:
            return self.send(method, path, **request)
        except ProviderError as exc:
            if exc.status == 404:
                raise BatchMissing(str(exc), billed="no", status=404) from None
            raise

    def pages(self, path: str, query: Mapping[str, str], mark: str) -> Iterator[list[dict[str, object]]]:
        """Yield the entries of each page of a list; `mark` is the parameter that takes the last entry's id.

        Raises BadResponse for a page that does not say whether it is the last: nothing may be taken for absent then.
        """
        seen, after = set[str](), ""
        while after not in seen and len(seen) < MOST_PAGES:
            seen.add(after)
            page = self.get(path, {**query, **({mark: after} if after else {})})
            entries, more = mappings(page.get("data")), page.get("has_more")
            if not isinstance(page.get("data"), list) or not isinstance(more, bool):
                raise BadResponse(f"{self.name}: the list of batches cannot be read", billed="no")
            yield entries
            if not more:
                return
            after = text(entries[-1].get("id")) if entries else ""
        raise BadResponse(f"{self.name}: the list of batches has no end", billed="no")

    def lines(self, paths: list[str], read: batch_lines.ReadLine) -> Iterator[BatchLine]:
        """Download files of results and yield what they say of each request, as `BatchClient.lines` does."""
        with SpooledTemporaryFile(MEMORY_BYTES) as spool:
            file, fault = cast(BinaryIO, spool), None
            try:
                for path in paths:
                    self.download(path, file)
            except ProviderError as exc:
                fault = exc
            yield from batch_lines.merged(self.name, file, self.without_key(read), whole=fault is None)
        if fault is not None:
            raise fault

    def download(self, path: str, file: BinaryIO) -> None:
        start = file.seek(0, 2)
        self.find("GET", path, headers=BINARY, file=file)
        batch_lines.end_line(self.name, file, start)

    def without_key(self, read: batch_lines.ReadLine) -> batch_lines.ReadLine:
        return lambda raw: read(http_errors.without_key(raw, self.transport.key))

    def identifier(self, value: object, what: str) -> str:
        """Return an id that the provider gave; raises BadResponse for one that cannot be part of an address."""
        if isinstance(value, str) and IDENTIFIER.fullmatch(value) and value.strip("."):
            return value
        raise BadResponse(f"{self.name}: the reply names no {what}", billed="maybe")

    def close(self) -> None:
        self.transport.close()


def part_of_path(identifier: str) -> str:
    """Return an id as one part of a path."""
    return quote(identifier, safe="")


def encoded(value: object) -> bytes:
    """Return JSON in ASCII, so that no text in it can end a line."""
    return json.dumps(value, separators=(",", ":")).encode()


def bounded(name: ProviderName, body: bytes, requests: int, *, most_bytes: int, most_requests: int) -> bytes:
    """Return `body` if the provider takes a batch of this size; raises BadRequest before anything is sent."""
    if len(body) > most_bytes or requests > most_requests:
        raise BadRequest(
            f"{name}: a batch of {requests} requests and {len(body)} bytes is more than the provider takes "
            f"({most_requests} requests, {most_bytes} bytes)",
            billed="no",
        )
    return body


def since(batch: RemoteBatch, moment: datetime) -> bool:
    """Whether a batch was created after a moment; it may be if the provider does not say when."""
    return batch.created_at is None or batch.created_at >= moment
