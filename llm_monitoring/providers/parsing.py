"""Strict reading of a provider's JSON: nothing is used before its type is checked."""

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
MOST_CALL_TOKENS: Final = 10_000_000  # five times the widest context window: no call consumes more
MOST_SEARCHES: Final = 1000
PLAIN_TIERS: Final = ("", "default", "standard", "unspecified", "service_tier_unspecified")


class InvalidUsage(MonitoringError):
    """A usage figure is missing or impossible."""


class Repeated:
    """Stands for a number or an object that a reply gives twice with different values: neither is believed."""


@dataclass(frozen=True, slots=True)
class ReplyMeta:
    """What a reply cost, as far as it says, to go into the answer or into the error that it is."""

    provider: ProviderName
    model: str
    usage: Usage | None

    @property
    def billed(self) -> Billed:
        return "yes" if self.usage else "maybe"

    def answer(self, said: str, citations: tuple[Citation, ...], finish: Literal["stop", "max_tokens"]) -> Answer:
        """Return the answer; raises BadResponse where there is no text to be one."""
        if said.strip():
            return Answer(said, self.model, self.usage, citations, finish)
        cut = finish == "max_tokens"
        raise self.bad("the answer was cut before any text" if cut else "the reply holds no text")

    def refused(self, why: str) -> Refused:
        return Refused(self.message(why), billed=self.billed, usage=self.usage, model=self.model or None)

    def bad(self, why: str) -> BadResponse:
        return BadResponse(self.message(why), billed=self.billed, usage=self.usage, model=self.model or None)

    def message(self, why: str) -> str:
        return f"{self.provider}: {shown(why)}"


def shown(value: object) -> str:
    """Return one printable, shortened line of what a provider said."""
    try:
        said = str(value)
    except RecursionError:  # read from JSON that is nested as deep as Python reads it
        said = "nested too deep to show"
    printable = "".join(c if c.isprintable() else " " for c in said)
    return " ".join(printable.split())[:SHOWN_CHARACTERS]


def document(provider: ProviderName, reply: Reply) -> dict[str, object]:
    """Return the reply's JSON object, fractions as Decimal; raises BadResponse for anything else."""
    bill = ReplyMeta(provider, "", None)
    try:
        found: object = json.loads(reply.body, parse_float=Decimal, parse_constant=no_constant, object_pairs_hook=once)
    except (ValueError, ArithmeticError, RecursionError):  # arithmetic: an exponent that no Decimal holds
        start = reply.body[:SHOWN_CHARACTERS].decode("utf-8", "replace")
        raise bill.bad(f"the reply is not JSON: {start}") from None
    if not isinstance(found, dict):
        raise bill.bad(f"the reply is not a JSON object: {shown(found)}")
    return found


def no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the object; of a repeated text or list the last counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        for name, value in pairs:
            if isinstance(value, int | Decimal | dict) and found[name] != value:
                found[name] = Repeated()
    return found


def part(value: object) -> dict[str, object]:
    """Return an object of a usage that may be left out; raises Untrusted for anything else in its place."""
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
    """Return the passages of an answer as paragraphs; the empty ones are none."""
    return "\n\n".join(passage for passage in passages if passage)


def count(value: object) -> int:
    """Return a count that must be there; raises Untrusted unless it is a whole number from 0 to a billion."""
    if type(value) is not int or not 0 <= value <= MOST_TOKENS:
        raise InvalidUsage
    return value


def count_or_zero(value: object) -> int:
    """Return a count that a provider leaves out where it is zero; raises Untrusted for an impossible one."""
    return 0 if value is None else count(value)


def tier(value: object) -> str:
    """Return the service tier as the reply names it, "" for none and for the plain one; raises Untrusted."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidUsage
    return "" if value.lower() in PLAIN_TIERS else value


def consistent(usage: Usage, answer: str) -> Usage:
    """Return `usage` if its parts fit their wholes and a text was not free; raises Untrusted otherwise.

    Also for more than any context window holds: each count may be possible, and their sum is not.
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
