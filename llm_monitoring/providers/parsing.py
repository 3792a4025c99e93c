"""Reads a provider's JSON strictly: every value is used only after its type is checked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from llm_monitoring.domain import ProviderName, Usage
from llm_monitoring.errors import MonitoringError
from llm_monitoring.providers.base import Answer, BadResponse, Billed, Citation, Refused, Reply

SHOWN_CHARACTERS: Final = 300
MOST_TOKENS: Final = 10**9
MOST_CALL_TOKENS: Final = 10_000_000  # five times the largest context window: no call consumes more
MOST_SEARCHES: Final = 1000
PLAIN_TIERS: Final = ("", "default", "standard", "unspecified")
TIER_PREFIX: Final = re.compile(r"\Aservice_tier_", re.IGNORECASE)
HALVES: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")
THINKING: Final = re.compile(r"\s*<think(?:ing)?(?:\s[^<>]*)?>", re.IGNORECASE)
THOUGHT: Final = re.compile(r"</think(?:ing)?\s*>", re.IGNORECASE)


class InvalidUsage(MonitoringError):
    """A usage figure is missing or impossible."""


class Unusable:
    """Replaces a value of a reply that is not used: what is no number, or what is given twice and differs."""

    def __repr__(self) -> str:
        return "unusable"


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
        """Return the answer; raises BadResponse if `words` say nothing."""
        if not says_nothing(words):
            return Answer(whole_characters(words), self.model, self.usage, citations, finish)
        cut = finish == "max_tokens"
        raise self.bad("the answer was cut before any text" if cut else "the reply holds no text")

    def refused(self, why: str) -> Refused:
        return Refused(self.message(why), billed=self.billed, usage=self.usage, model=self.model or None)

    def bad(self, why: str) -> BadResponse:
        return BadResponse(self.message(why), billed=self.billed, usage=self.usage, model=self.model or None)

    def message(self, why: str) -> str:
        return f"{self.provider}: {shown(why)}"


def says_nothing(words: str) -> bool:
    """Whether a text has no visible character, or none but in thinking, of which the last block may be cut."""
    at = 0
    while opening := THINKING.match(words, at):
        closing = THOUGHT.search(words, opening.end())
        if closing is None:
            return True
        at = closing.end()
    return not any(character.isprintable() and not character.isspace() for character in words[at:])


def whole_characters(words: str) -> str:
    """Return a text with the characters joined of which two parts of a reply hold half each."""
    return HALVES.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), words)


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
        body = json_in(reply.body)
    except (ValueError, RecursionError):
        start = reply.body[:SHOWN_CHARACTERS].decode("utf-8", "replace")
        raise meta.bad(f"the reply is not JSON: {start}") from None
    if not isinstance(body, dict):
        raise meta.bad(f"the reply is not a JSON object: {shown(body)}")
    return body


def json_in(raw: bytes) -> object:
    """Return the JSON value of a body, fractions as Decimal; raises ValueError or RecursionError if it holds none.

    A paid answer is not lost for a flaw next to it: bytes that are no text become U+FFFD, texts may hold control
    characters, padding may follow, and a number that cannot be used is Unusable.
    """
    return json.loads(
        decoded(raw).rstrip("\0"),
        strict=False,
        parse_int=whole_number,
        parse_float=fraction,
        parse_constant=unusable,
        object_pairs_hook=once,
    )


def decoded(raw: bytes) -> str:
    """Return the text of JSON in any Unicode encoding; bytes that are no text become U+FFFD."""
    encoding = json.detect_encoding(raw)
    try:
        return raw.decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        return raw.decode(encoding, "replace")


def whole_number(digits: str) -> int | Unusable:
    try:
        return int(digits)
    except ValueError:  # more digits than Python reads
        return Unusable()


def fraction(digits: str) -> Decimal | Unusable:
    try:
        return Decimal(digits)
    except ArithmeticError:  # an exponent too large for a Decimal
        return Unusable()


def unusable(name: str) -> Unusable:
    """Replace NaN and Infinity, which are not JSON."""
    return Unusable()


def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the object; a text or list that is repeated has its last value."""
    values = dict(pairs)
    if len(values) < len(pairs):
        for name, value in pairs:
            if isinstance(value, int | Decimal | dict) and values[name] != value:
                values[name] = Unusable()
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


def counted_objects(value: object) -> list[dict[str, object]]:
    """Return a list of objects by which something billed is counted; raises InvalidUsage for anything else."""
    objects = mappings(value)
    if not isinstance(value, list) or len(objects) < len(value):
        raise InvalidUsage
    return objects


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
    name = TIER_PREFIX.sub("", value)
    return "" if name.lower() in PLAIN_TIERS else name


def consistent(usage: Usage, answer: str, *, searched: bool = False) -> Usage:
    """Return `usage` if its parts fit their totals and an answer was not free; raises InvalidUsage otherwise.

    It also raises InvalidUsage if the total is larger than any context window, and for no searches and no bill if the
    reply shows that it `searched`: their number is unknown.
    """
    if searched and not usage.searches and usage.cost_usd is None:
        raise InvalidUsage
    if usage.total_tokens > MOST_CALL_TOKENS or usage.searches > MOST_SEARCHES:
        raise InvalidUsage
    if usage.cached_tokens + usage.cache_write_tokens > usage.input_tokens:
        raise InvalidUsage
    if usage.reasoning_tokens > usage.output_tokens:
        raise InvalidUsage
    if answer and not (usage.input_tokens and usage.output_tokens):
        raise InvalidUsage
    return usage
