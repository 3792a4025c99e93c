"""Reads a provider's JSON strictly: every value is used only after its type is checked."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, NoReturn

from llm_monitoring.domain import ProviderName, Usage
from llm_monitoring.errors import MonitoringError
from llm_monitoring.providers.base import Answer, BadResponse, Billed, Citation, Refused, Reply

SHOWN_CHARACTERS: Final = 300
MOST_TOKENS: Final = 10**9
MOST_CALL_TOKENS: Final = 10_000_000  # five times the largest context window: no call consumes more
MOST_SEARCHES: Final = 1000
PLAIN_TIERS: Final = ("", "default", "standard", "unspecified", "service_tier_unspecified")


class InvalidUsage(MonitoringError):
    """A usage figure is missing or impossible."""


class Repeated:
    """Replaces a number or an object that a reply gives twice with different values, so that neither is used."""


@dataclass(frozen=True, slots=True)
class ReplyMeta:
    """The model and the usage of a reply, which become part of its answer or of its error."""

    provider: ProviderName
    model: str
    usage: Usage | None

    @property
    def billed(self) -> Billed:
        return "yes" if self.usage else "maybe"

    def answer(self, words: str, citations: tuple[Citation, ...], finish: Literal["stop", "max_tokens"]) -> Answer:
        """Return the answer; raises BadResponse if `words` is blank."""
        if words.strip():
            return Answer(words, self.model, self.usage, citations, finish)
        cut = finish == "max_tokens"
        raise self.bad("the answer was cut before any text" if cut else "the reply holds no text")

    def refused(self, why: str) -> Refused:
        return Refused(self.message(why), billed=self.billed, usage=self.usage, model=self.model or None)

    def bad(self, why: str) -> BadResponse:
        return BadResponse(self.message(why), billed=self.billed, usage=self.usage, model=self.model or None)

    def message(self, why: str) -> str:
        return f"{self.provider}: {shown(why)}"


def shown(value: object) -> str:
    """Return a provider's value as one printable, shortened line."""
    try:
        words = str(value)
    except RecursionError:  # JSON may be nested as deep as Python can read, which is deeper than it can print
        words = "nested too deep to show"
    printable = "".join(c if c.isprintable() else " " for c in words)
    return " ".join(printable.split())[:SHOWN_CHARACTERS]


def document(provider: ProviderName, reply: Reply) -> dict[str, object]:
    """Return the reply's JSON object, fractions as Decimal; raises BadResponse for anything else."""
    meta = ReplyMeta(provider, "", None)
    try:
        body: object = json.loads(reply.body, parse_float=Decimal, parse_constant=no_constant, object_pairs_hook=once)
    except (ValueError, ArithmeticError, RecursionError):  # ArithmeticError: an exponent too large for a Decimal
        start = reply.body[:SHOWN_CHARACTERS].decode("utf-8", "replace")
        raise meta.bad(f"the reply is not JSON: {start}") from None
    if not isinstance(body, dict):
        raise meta.bad(f"the reply is not a JSON object: {shown(body)}")
    return body


def no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the object; a text or list that is repeated has its last value."""
    values = dict(pairs)
    if len(values) < len(pairs):
        for name, value in pairs:
            if isinstance(value, int | Decimal | dict) and values[name] != value:
                values[name] = Repeated()
    return values


def part(value: object) -> dict[str, object]:
    """Return an optional object of a usage, {} if absent; raises InvalidUsage if it is not an object."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidUsage
    return value


def mapping(value: object) -> dict[str, object]:
    """Return `value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def mappings(value: object) -> list[dict[str, object]]:
    """Return the objects in `value` if it is a list, else none."""
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def text(value: object) -> str:
    """Return `value` if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def join_paragraphs(passages: Iterable[str]) -> str:
    """Return the passages of an answer as paragraphs, without the empty ones."""
    return "\n\n".join(passage for passage in passages if passage)


def count(value: object) -> int:
    """Return a required count; raises InvalidUsage unless it is a whole number from 0 to a billion."""
    if type(value) is not int or not 0 <= value <= MOST_TOKENS:
        raise InvalidUsage
    return value


def count_or_zero(value: object) -> int:
    """Return a count that providers omit if it is zero; raises InvalidUsage for an impossible one."""
    return 0 if value is None else count(value)


def tier(value: object) -> str:
    """Return the service tier as the reply names it, "" if absent or the standard one; raises InvalidUsage."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidUsage
    return "" if value.lower() in PLAIN_TIERS else value


def consistent(usage: Usage, answer: str) -> Usage:
    """Return `usage` if its parts fit their totals and an answer was not free; raises InvalidUsage otherwise.

    It also raises InvalidUsage if the total is larger than any context window.
    """
    if usage.total_tokens > MOST_CALL_TOKENS or usage.searches > MOST_SEARCHES:
        raise InvalidUsage
    if usage.cached_tokens + usage.cache_write_tokens > usage.input_tokens:
        raise InvalidUsage
    if usage.reasoning_tokens > usage.output_tokens:
        raise InvalidUsage
    if answer and not (usage.input_tokens and usage.output_tokens):
        raise InvalidUsage
    return usage
