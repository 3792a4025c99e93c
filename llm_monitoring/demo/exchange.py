"""The types of one exchange with a simulated provider: request, question, answer, usage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from random import Random
from typing import Any, Final, Literal, Protocol

Json = dict[str, Any]
Finish = Literal["stop", "max_tokens", "refusal", "content_filter", "pause_turn", "empty"]
Search = Literal["no", "may", "must"]

PROVIDERS: Final = ("openai", "anthropic", "google", "perplexity")
CHARACTERS_PER_TOKEN: Final = 4


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A whole request; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    def json(self) -> Json:
        """Return the body as an object; raises Rejection if it is not one."""
        try:
            value = json.loads(self.body)
        except ValueError as exc:
            raise Rejection(400, "We could not parse the JSON body of your request.") from exc
        if not isinstance(value, dict):
            raise Rejection(400, "The body of the request must be a JSON object.")
        return value


class Rejection(Exception):
    """A provider rejects a request; its protocol writes the error in the provider's form."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request asks for, read from any provider's form. `tier`: the service tier, "" for the standard one."""

    model: str
    prompt: str
    instructions: str = ""
    input_tokens: int = 0
    max_output_tokens: int | None = None
    search: Search = "no"
    max_searches: int | None = None
    effort: str | None = None
    wants_json: bool = False
    cacheable: bool = False
    tier: str = ""
    echo: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CitedPage:
    """A page that the answer cites; `line` is the line of the text that it supports."""

    url: str
    title: str
    domain: str
    snippet: str
    line: int


@dataclass(frozen=True, slots=True)
class Composed:
    """An answer's Markdown without citation marks, its pages, and the searches that found them."""

    text: str
    citations: tuple[CitedPage, ...] = ()
    queries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BilledUnits:
    """Billed units. `input` includes cached and cache-written tokens, `output` includes reasoning."""

    input: int
    output: int
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    tool_input: int = 0
    searches: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """A finished answer, before it is written in a provider's form. `tier`: what the reply names; None: nothing."""

    id: str
    ask: Ask
    served: str
    composed: Composed
    usage: BilledUnits
    finish: Finish
    created: int
    costs: Mapping[str, str] = field(default_factory=dict)
    tier: str | None = ""


class WireProtocol(Protocol):
    """One provider's wire protocol."""

    name: str

    def route(self, request: HttpRequest) -> tuple[str, str] | None:
        """Return ("answer" | "models" | "model", the id in the path or ""), or None if the path is unknown."""
        ...

    def key(self, request: HttpRequest) -> str: ...

    def read(self, request: HttpRequest, model: str) -> Ask: ...

    def reply(self, turn: Turn) -> Json: ...

    def usage_path(self) -> str: ...

    def error(self, rejection: Rejection, request_id: str) -> Json: ...

    def bad_key(self, key: str) -> Rejection: ...

    def unknown_model(self, model: str) -> Rejection: ...

    def headers(self, request_id: str) -> dict[str, str]: ...


def count_tokens(text: str) -> int:
    """Return the tokens of a text: four characters each, rounded up."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def digest(*parts: object) -> int:
    """Return a number that depends only on the parts and is the same in every process."""
    return int.from_bytes(blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest())


def dice(*parts: object) -> Random:
    """Return a random generator with a seed that depends only on the parts."""
    return Random(digest(*parts))


def share(*parts: object) -> float:
    """Return a number from 0 to 1 that depends only on the parts."""
    return digest(*parts) / 2**64
