"""Reads the lines of a batch's results: one JSON object each, in any order, of which nothing is trusted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

from llm_monitoring.domain import ProviderName
from llm_monitoring.errors import MonitoringError
from llm_monitoring.providers.base import BadResponse, ProviderUnavailable, Reply
from llm_monitoring.providers.batches import BatchLine, LineOutcome
from llm_monitoring.providers.parsing import decoded, shown, whole_number

LONGEST_LINE: Final = 64 * 1024 * 1024
BLANK: Final = re.compile(r"[ \t\r\n]*")
DECODER: Final = json.JSONDecoder(strict=False, parse_int=whole_number)  # as tolerant as the reading of a reply
# The id in a line that is not JSON. In the text of an answer the quotation marks would be escaped.
CUSTOM_ID: Final = re.compile(rb'(?<!\\)"custom_id"\s*:\s*"([A-Za-z0-9_-]{1,64})"')
# If several lines speak of one request, the one that may have cost the most applies.
DEAREST: Final[tuple[LineOutcome, ...]] = ("not_billed", "refused", "failed", "replied")

ReadLine = Callable[[bytes], BatchLine]


class UnreadableLine(MonitoringError):
    """A line is no JSON object of the expected form."""


class JsonObject:
    """A JSON object with the text of each of its members as received, so that a part of it can be read on its own."""

    def __init__(self, text: str) -> None:
        """Read an object; raises UnreadableLine unless `text` is one, in which a repeated name has the same value."""
        self.source = text
        self.spans: dict[str, tuple[int, int]] = {}
        try:
            end = self.read_members(self.expect("{", 0))
        except (ValueError, RecursionError):
            raise UnreadableLine from None
        if end < len(text):
            raise UnreadableLine

    def read_members(self, at: int) -> int:
        if self.source[at : at + 1] == "}":
            return self.skip(at + 1)
        while True:
            name, end = DECODER.raw_decode(self.source, at)
            if not isinstance(name, str):
                raise UnreadableLine
            start = self.expect(":", self.skip(end))
            _, end = DECODER.raw_decode(self.source, start)
            first, last = self.spans.setdefault(name, (start, end))
            if self.source[first:last] != self.source[start:end]:
                raise UnreadableLine
            at = self.skip(end)
            if self.source[at : at + 1] == "}":
                return self.skip(at + 1)
            at = self.expect(",", at)

    def skip(self, at: int) -> int:
        blank = BLANK.match(self.source, at)
        return at if blank is None else blank.end()

    def expect(self, mark: str, at: int) -> int:
        """Return the position of the value after `mark`; raises UnreadableLine."""
        at = self.skip(at)
        if self.source[at : at + 1] != mark:
            raise UnreadableLine
        return self.skip(at + 1)

    def value(self, name: str) -> object:
        """Return the value of a member, None if it is absent."""
        return DECODER.raw_decode(self.source, self.spans[name][0])[0] if name in self.spans else None

    def text(self, name: str) -> str:
        found = self.value(name)
        return found if isinstance(found, str) else ""

    def raw(self, name: str) -> bytes:
        """Return a member as it came, b"" if it is absent."""
        start, end = self.spans.get(name, (0, 0))
        return self.source[start:end].encode("utf-8", "surrogatepass")

    def inner(self, name: str) -> JsonObject | None:
        """Return the object of a member, None if it is absent or null; raises UnreadableLine for anything else."""
        if self.value(name) is None:
            return None
        start, end = self.spans[name]
        return JsonObject(self.source[start:end])


def read_object(raw: bytes) -> JsonObject:
    """Return the object of a line; raises UnreadableLine."""
    return JsonObject(decoded(raw))


def named_in(raw: bytes) -> str:
    """Return the custom id of a line that cannot be read as JSON, "" if it names none or several."""
    found = {each.decode() for each in CUSTOM_ID.findall(raw)}
    return found.pop() if len(found) == 1 else ""


def unreadable(name: ProviderName, raw: bytes, why: str) -> BatchLine:
    """Return the outcome of a line that says nothing certain of its request: it is perhaps charged."""
    try:
        custom_id = read_object(raw).text("custom_id")
    except UnreadableLine:
        custom_id = named_in(raw)
    start = shown(raw[:300].decode("utf-8", "replace"))
    error = BadResponse(f"{name}: {why}: {start}", billed="maybe")
    return BatchLine(custom_id, "failed", raw, None, error)


def replied(custom_id: str, raw: bytes, body: bytes, request_id: str | None = None) -> BatchLine:
    return BatchLine(custom_id, "replied", raw, Reply(200, body, 0, request_id), None)


@dataclass(frozen=True, slots=True)
class Choice:
    """The line that applies to a request: where it is, its outcome, and whether another reply contradicts it."""

    at: int
    outcome: LineOutcome
    body: bytes | None
    contradicted: bool = False

    def against(self, other: Choice) -> Choice:
        """Return which of two lines of one request applies."""
        if self.outcome == other.outcome:
            return replace(self, contradicted=self.contradicted or self.body != other.body)
        return max(self, other, key=lambda choice: DEAREST.index(choice.outcome))


def merged(name: ProviderName, file: BinaryIO, read: ReadLine, *, whole: bool) -> Iterator[BatchLine]:
    """Yield one line for each request in `file`.

    `whole`: the download was complete. Otherwise the rest may speak of the same requests, so that only what is
    perhaps charged is certain.
    """
    chosen: dict[str | int, Choice] = {}
    for at, raw in lines_in(file):
        line = read(raw)
        choice = Choice(at, line.outcome, line.reply.body if line.reply else None)
        known = chosen.get(line.custom_id or at)
        chosen[line.custom_id or at] = choice if known is None else known.against(choice)
    for each in chosen.values():
        if whole or each.outcome in ("replied", "failed"):
            file.seek(each.at)
            raw = file.readline(LONGEST_LINE).rstrip(b"\n")
            yield unreadable(name, raw, "two replies to one request") if each.contradicted else read(raw)


def lines_in(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield each line that a line feed ends, with its position; blank ones are left out.

    Only b"\n" ends a line: a text may hold U+2028 and other characters that `str.splitlines` cuts at.
    """
    at = file.seek(0)
    while raw := file.readline(LONGEST_LINE):
        start, at = at, at + len(raw)
        rest = raw
        while rest and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST_LINE)
            at += len(rest)
        if rest and raw.strip():
            yield start, raw.rstrip(b"\n")
        file.seek(at)


def end_line(name: ProviderName, file: BinaryIO, start: int) -> None:
    """End the last line after `start`; raises ProviderUnavailable if it is a piece of one: the results were cut."""
    last = b""
    file.seek(start)
    while raw := file.readline(LONGEST_LINE):
        last = raw
    if not last or last.endswith(b"\n"):
        return
    try:
        read_object(last)
    except UnreadableLine:
        raise ProviderUnavailable(f"{name}: the results end within a line", billed="maybe") from None
    file.write(b"\n")
