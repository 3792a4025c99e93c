"""Requests as an SDK writes them, sent again with other prompts.

An SDK takes longer to write a request than the HTTP library to send it, and the requests of two questions that differ
in the prompt alone differ in the prompt alone. So the SDK writes one request of each kind, which is not sent, with a
mark in the place of the prompt; every call sends that request with its own prompt. The SDK thus decides address,
headers and form, and has no part in what happens to a paid call.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import httpx2

from llm_monitoring.providers.base import BadRequest, Question


class NotSent(httpx2.RequestError):
    """The SDK has written the request, which is all that it was called for."""


@dataclass(frozen=True, slots=True)
class WrittenRequest:
    """A request of one kind; `before` and `after` are the body around the prompt. `headers` hold the key."""

    method: str
    url: httpx2.URL
    headers: httpx2.Headers
    extensions: Mapping[str, Any]
    before: bytes
    after: bytes

    def __repr__(self) -> str:
        return f"WrittenRequest({self.method} {self.url})"

    @classmethod
    def around(cls, mark: str, request: httpx2.Request) -> Self:
        """Split a request at the mark; raises BadRequest unless the body holds it once, as a JSON text."""
        parts = request.read().split(written(mark))
        if len(parts) != 2:
            message = f"the SDK wrote the prompt {len(parts) - 1} times into its request, as it is, and not once"
            raise BadRequest(message, billed="no")
        headers = httpx2.Headers([each for each in request.headers.raw if each[0].lower() != b"content-length"])
        return cls(request.method, request.url, headers, request.extensions, *parts)

    def with_prompt(self, prompt: str) -> httpx2.Request:
        body = self.before + written(prompt) + self.after
        headers = httpx2.Headers(self.headers)
        headers["content-length"] = str(len(body))
        stream = httpx2.ByteStream(body)
        return httpx2.Request(self.method, self.url, headers=headers, stream=stream, extensions=dict(self.extensions))


class WrittenRequests:
    """One request for each kind of question, written when it is first needed. Safe to share between threads.

    `record` calls its argument and returns the request that an SDK would have sent; raises ProviderError.
    """

    def __init__(self, record: Callable[[Callable[[], object]], httpx2.Request]) -> None:
        self.record = record
        self.by_kind: dict[Question, WrittenRequest] = {}

    def of(self, question: Question, write: Callable[[Question], object]) -> httpx2.Request:
        """The question's request; `write` has the SDK ask a question. Raises ProviderError."""
        kind = replace(question, prompt="")
        found = self.by_kind.get(kind)
        if found is None:
            mark = secrets.token_hex(16)
            request = self.record(lambda: write(replace(question, prompt=mark)))
            self.by_kind[kind] = found = WrittenRequest.around(mark, request)
        return found.with_prompt(question.prompt)


def written(text: str) -> bytes:
    """A text as JSON, in ASCII."""
    return json.dumps(text).encode("ascii")
