"""Sends the messages on standard input: a script of its own, so that its caller can end it at any moment.

It prints a line of JSON for every message as soon as its result is known: its number, a code of what went wrong or
null, what was seen, and how many of its lines arrived. It imports nothing of the package, and the addresses, which hold
tokens, are in no argument that other processes could read.
"""

from __future__ import annotations

import json
import logging
import re
import socket
import ssl
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any
from urllib.error import HTTPError, URLError

import apprise

STATUS = re.compile(r"error[=: ]+([1-5]\d\d)\b")
MOST_MESSAGES = 4
FRAME = 40  # what a service may put around a message: line ends, a counter
# of Slack's blocks, which take 3,000 with their escapes; the library knows the limit of whole messages only
BLOCK, HEADER = 1_800, 150
SEEN = (
    ("timeout", re.compile(r"timed out|timeout", re.IGNORECASE)),
    (
        "name_not_found",
        re.compile(r"name or service not known|failed to resolve|getaddrinfo|name resolution", re.IGNORECASE),
    ),
    ("refused", re.compile(r"connection refused|actively refused", re.IGNORECASE)),
    ("certificate", re.compile(r"certificate|ssl", re.IGNORECASE)),
)
Outcome = tuple[str | None, str, int]  # a code or None, what was seen, how many lines arrived


def units(text: str) -> int:
    """The length of a text as the strictest services count it, in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def shortened(line: str, room: int) -> str:
    """`line` in at most `room` units, never cut within a character."""
    if units(line) <= room:
        return line
    return line.encode("utf-16-le", "surrogatepass")[: 2 * max(0, room - 1)].decode("utf-16-le", "ignore") + "…"


def parts(lines: Sequence[str], rest: str, room: int, most: int = MOST_MESSAGES) -> Iterator[tuple[str, int]]:
    """Pack lines into at most `most` messages of `room` units; yield each text and how many lines are done with it.

    What does not fit at all is counted in a last line, `rest`, in which {n} stands for how many.
    """
    place = 0
    for number in range(most):
        last = number == most - 1
        kept = fill(lines[place:], room)
        if last and place + len(kept) < len(lines):
            kept = fill(lines[place:], room - units(rest) - 6)
            more = rest.replace("{n}", str(len(lines) - place - len(kept)))
            yield "\n".join([*kept, shortened(more, room)]), len(lines)
            return
        place += len(kept)
        yield "\n".join(kept), place
        if place >= len(lines):
            return


def fill(lines: Sequence[str], room: int) -> list[str]:
    """The first lines that fit into `room` units; the first one always, shortened if it must be."""
    kept: list[str] = []
    size = 0
    for line in (shortened(line, max(1, room)) for line in lines):
        if kept and size + 1 + units(line) > room:
            break
        size += units(line) + bool(kept)
        kept.append(line)
    return kept


def send(message: dict[str, Any], timeout: float) -> Outcome:
    """Deliver one message, in parts if it is long; a part that fails ends it."""
    if not message["lines"]:
        return call(message["url"], timeout)
    target = apprise.Apprise.instantiate(message["url"], suppress_exceptions=True)
    if target is None:
        return "unknown_address", "", 0
    logging.getLogger("apprise").setLevel(logging.INFO)  # `reason` reads what the library logs, whatever the root shows
    sender = apprise.Apprise()
    sender.add(target)
    done = 0
    body_room, title_room = limits(target)
    room = body_room - units(message["title"]) - FRAME
    for number, (text, reached) in enumerate(parts(message["lines"], message["rest"], room)):
        result = sender.notify(
            title=shortened(message["title"], title_room or units(message["title"])),
            body=text,
            notify_type=message["severity"],
            body_format=apprise.NotifyFormat.TEXT,
            attach=(message["attach"] or None) if number == 0 else None,
            timeout=timeout,
        )
        if not result:
            return *reason(result), done
        done = reached
    return None, "", done


def limits(target: apprise.NotifyBase) -> tuple[int, int]:
    """The most that a message and its title may have, in units; 0: as much as one likes."""
    if getattr(target, "use_blocks", False):
        return BLOCK, HEADER
    return target.body_maxlen, target.title_maxlen


def reason(result: apprise.AppriseResult) -> tuple[str, str]:
    """What was seen: the library's own words may quote an address, so only a status or a kind is taken from them."""
    texts = [str(entry.message) for entry in result.logs()]
    for text in texts:
        if status := STATUS.search(text):
            return "status", status[1]
    for code, pattern in SEEN:
        if any(pattern.search(text) for text in texts):
            return code, ""
    return "not_delivered", ""


def call(url: str, timeout: float) -> Outcome:
    try:
        with urllib.request.urlopen(url, timeout=timeout):  # noqa: S310 - settings take http and https alone
            return None, "", 0
    except HTTPError as exc:
        return "status", str(exc.code), 0
    except (OSError, ValueError) as exc:
        return kind_of(exc.reason if isinstance(exc, URLError) else exc), "", 0


def kind_of(error: object) -> str:
    kinds: tuple[tuple[type[BaseException], str], ...] = (
        (TimeoutError, "timeout"),
        (socket.gaierror, "name_not_found"),
        (ConnectionRefusedError, "refused"),
        (ssl.SSLError, "certificate"),
    )
    return next((code for kind, code in kinds if isinstance(error, kind)), "not_delivered")


def main() -> None:
    request = json.load(sys.stdin)
    messages = request["messages"]
    with ThreadPoolExecutor(len(messages)) as pool:
        sent = {pool.submit(send, message, request["timeout"]): number for number, message in enumerate(messages)}
        for future in as_completed(sent):
            print(json.dumps([sent[future], *outcome(future)]), flush=True)


def outcome(done: Future[Outcome]) -> Outcome:
    """The outcome of one message: an error that no one foresaw keeps back no other message's."""
    return ("not_delivered", "", 0) if done.exception() else done.result()


if __name__ == "__main__":
    main()
